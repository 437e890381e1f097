import { ServerResponse, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { WebSocketServer, type WebSocket } from "ws";
import { ApiError, badRequest } from "../api-error.ts";
import { bearerCheck } from "../bearer-check.ts";
import type { ApiParts } from "../handle-resource.ts";
import { refuseImpersonation } from "../request-body.ts";
import { parsePath, type ResourcePath } from "../request-path.ts";
import { sendError } from "../send.ts";
import { runAttach } from "./attach-session.ts";
import { socketCarrier, webSocketCarrier, type Carrier } from "./carrier.ts";
import { attachRequestOf, execRequestOf, streamsOf } from "./exec-request.ts";
import { runExec } from "./exec-session.ts";
import type { PodAccess } from "./pod-access.ts";
import { isPodStream, podOf, refuseUnlessRunning, runningContainerOf } from "./pod-of-request.ts";
import { runPortForward } from "./port-forward-session.ts";
import { SpdyChannels } from "./spdy-channels.ts";
import { WebSocketChannels } from "./web-socket-channels.ts";

/** Streams that a lab serves at once: each is two or three processes. */
const MOST_STREAMS = 100;
/** Clients send pieces of 32 KiB (client-go); a larger message than this ends its connection (RFC 6455, 1009). */
const LARGEST_MESSAGE_BYTES = 1 << 20;

/** What a request leads to once it is upgraded: over WebSocket, or over SPDY on the connection itself (before KEP-4006). */
interface Service {
  webSocket: { protocols: readonly string[]; run(socket: WebSocket): Promise<void> };
  spdy: { protocol: string; run(carrier: Carrier): Promise<void> };
}

/** The newest first: of version 5 a client can end its input. SPDY ends each stream by itself. */
const CHANNELS_V4 = "v4.channel.k8s.io";
const CHANNEL_PROTOCOLS = ["v5.channel.k8s.io", CHANNELS_V4];
const FORWARD = "portforward.k8s.io";

const VERSION_HEADER = "X-Stream-Protocol-Version";

/** Answers requests that want to become another protocol; never throws. */
export class Streams {
  private readonly parts: ApiParts;
  private readonly access: PodAccess;
  private readonly isAllowed: (request: IncomingMessage) => boolean;
  private readonly server = new WebSocketServer({
    noServer: true,
    maxPayload: LARGEST_MESSAGE_BYTES,
    perMessageDeflate: false,
  });
  private readonly chosen = new WeakMap<IncomingMessage, string>();
  private readonly carriers = new Set<Carrier>();
  private open = 0;

  constructor(parts: ApiParts, access: PodAccess, token: string) {
    this.parts = parts;
    this.access = access;
    this.isAllowed = bearerCheck(token);
    this.server.on("headers", (headers, request) => {
      headers.push(`Sec-WebSocket-Protocol: ${this.chosen.get(request)}`);
    });
  }

  /** For the server's "upgrade" event. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    try {
      if (!this.isAllowed(request)) throw new ApiError("Unauthorized", "Unauthorized");
      refuseImpersonation(request);
      const { path, query } = parsePath(request.url ?? "/");
      const service = this.serviceOf(path.kind === "resource" ? path.path : undefined, query);
      const upgrade = request.headers.upgrade?.toLowerCase() ?? "";
      if (upgrade.includes("spdy/3.1")) this.toSpdy(service.spdy, request, socket, head);
      else this.toWebSocket(service.webSocket, upgrade, request, socket, head);
    } catch (error) {
      refuse(request, socket, error);
    }
  }

  /** Ends every stream, and what it runs. */
  close(): void {
    for (const socket of this.server.clients) socket.terminate();
    for (const carrier of this.carriers) carrier.destroy();
  }

  private toWebSocket(
    { protocols, run }: Service["webSocket"],
    upgrade: string,
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): void {
    const chosen = protocols.find((each) => offeredIn(request, "sec-websocket-protocol").includes(each));
    if (upgrade !== "websocket" || chosen === undefined)
      throw badRequest(
        `unable to upgrade: this is served over SPDY/3.1, and over WebSocket as ${protocols.join(" or ")}`,
      );
    if (this.open >= MOST_STREAMS) throw tooMany();
    this.chosen.set(request, chosen);
    // Chosen here: a name of Kubernetes' has a slash in it, which RFC 6455 does not allow and ws refuses.
    delete request.headers["sec-websocket-protocol"];
    this.server.handleUpgrade(request, socket, head, (webSocket) => {
      void this.run(
        () => run(webSocket),
        () => webSocket.terminate(),
      );
    });
  }

  /** The handshake of apimachinery's httpstream, which kubectl before 1.31 and client-go's NewSPDYExecutor begin with. */
  private toSpdy({ protocol, run }: Service["spdy"], request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const offered = offeredIn(request, VERSION_HEADER);
    if (offered.length === 0) throw badRequest(`unable to upgrade: ${VERSION_HEADER} is required`);
    if (!offered.includes(protocol)) throw new NoCommonProtocol(offered, protocol);
    if (this.open >= MOST_STREAMS) throw tooMany();
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n${VERSION_HEADER}: ${protocol}\r\n\r\n`,
    );
    const carrier = socketCarrier(socket, head);
    this.carriers.add(carrier);
    void carrier.closed.then(() => this.carriers.delete(carrier));
    void this.run(
      () => run(carrier),
      () => carrier.destroy(),
    );
  }

  private serviceOf(path: ResourcePath | undefined, query: URLSearchParams): Service {
    if (path === undefined || !isPodStream(path)) throw badRequest("nothing at this path can be upgraded");
    const { access } = this;
    const pod = podOf(this.parts.store, path);
    if (path.subresource === "portforward") {
      refuseUnlessRunning(pod);
      const run = (carrier: Carrier): Promise<void> => runPortForward(access, pod, carrier);
      return {
        webSocket: { protocols: [`SPDY/3.1+${FORWARD}`], run: (socket) => run(webSocketCarrier(socket)) },
        spdy: { protocol: FORWARD, run },
      };
    }
    const isAttach = path.subresource === "attach";
    const asked = isAttach ? { ...attachRequestOf(query), command: [] } : execRequestOf(query);
    const request = { ...asked, container: runningContainerOf(pod, asked.container) };
    const begin = isAttach ? runAttach : runExec;
    return {
      webSocket: {
        protocols: CHANNEL_PROTOCOLS,
        run: (socket) => begin(access, pod, request, new WebSocketChannels(socket)),
      },
      spdy: {
        protocol: CHANNELS_V4,
        run: async (carrier) => {
          const channels = await SpdyChannels.open(carrier, streamsOf(request));
          if (channels !== undefined) await begin(access, pod, request, channels);
        },
      },
    };
  }

  private async run(serve: () => Promise<void>, destroy: () => void): Promise<void> {
    this.open += 1;
    try {
      await serve();
    } catch (error) {
      process.stderr.write(`API: ${error instanceof Error ? error.stack : String(error)}\n`);
      destroy();
    } finally {
      this.open -= 1;
    }
  }
}

/** A client that speaks older versions alone, which tell no exit codes (apimachinery httpstream.Handshake). */
class NoCommonProtocol extends ApiError {
  readonly accepted: string;

  constructor(offered: readonly string[], accepted: string) {
    const sides = `client supports [${offered.join(" ")}], server accepts [${accepted}]`;
    super("Forbidden", `unable to upgrade: unable to negotiate protocol: ${sides}`);
    this.accepted = accepted;
  }
}

function tooMany(): ApiError {
  return new ApiError("TooManyRequests", `this lab serves ${MOST_STREAMS} streams at once`, { retryAfterSeconds: 1 });
}

function offeredIn({ headers }: IncomingMessage, name: string): string[] {
  const values = [headers[name.toLowerCase()] ?? []].flat();
  return values.flatMap((value) => value.split(",")).flatMap((each) => (each.trim() === "" ? [] : [each.trim()]));
}

/** An ordinary answer on a connection that asked to become something else. */
function refuse(request: IncomingMessage, socket: Duplex, error: unknown): void {
  const response = new ServerResponse(request);
  response.assignSocket(socket as TLSSocket);
  response.setHeader("Connection", "close");
  if (error instanceof NoCommonProtocol) response.setHeader("X-Accepted-Stream-Protocol-Versions", error.accepted);
  response.on("finish", () => socket.end());
  sendError(response, error);
}
