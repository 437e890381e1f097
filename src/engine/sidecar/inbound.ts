import { createHash } from "node:crypto";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, TLSSocket } from "node:tls";
import { authorize, type Access, type Decision } from "../mesh/authorization.ts";
import { identityOf, spiffeId, type Identity } from "../mesh/identity.ts";
import type { MeshEndpoint, MeshFacts, Workload } from "../mesh/mesh-facts.ts";
import { mtlsMode } from "../mesh/mtls-mode.ts";
import type { PortProtocol } from "../mesh/port-protocol.ts";
import { INBOUND_MARK, INBOUND_SOURCE } from "../mesh/redirect-rules.ts";
import { dial, MESH_PROTOCOLS } from "./dial.ts";
import { firstBytes } from "./first-bytes.ts";
import { bodyOf, endToEnd, exchange, handOn, reply, withHeader, withoutHeader } from "./http-exchange.ts";
import { join, reset } from "./join.ts";
import { failureText } from "./outbound.ts";
import { originalOf, ownWorkload, type PodSidecar } from "./pod-sidecar.ts";

const SERVER = "istio-envoy";
const CLIENT_CERTIFICATE = "x-forwarded-client-cert";

/** What is known of an accepted connection. */
interface Incoming {
  original: MeshEndpoint;
  identity?: Identity;
  sourceAddress: string;
  serverName?: string;
}

/** The side of a sidecar that takes what comes to its pod. */
export class Inbound {
  private readonly pod: PodSidecar;
  /** Of connections whose handshake is under way, by the client's address and port. */
  private readonly shaking = new Map<string, Incoming>();
  /** Of connections of HTTP. */
  private readonly incoming = new WeakMap<Socket, Incoming>();
  private readonly http = createHttpServer((request, response) => void this.serve(request, response));
  private readonly tls;

  constructor(pod: PodSidecar) {
    this.pod = pod;
    this.http.on("clientError", (_error, socket) => socket.destroy());
    this.tls = createTlsServer(
      {
        ...pod.credentials,
        requestCert: true,
        rejectUnauthorized: true,
        ALPNProtocols: MESH_PROTOCOLS,
        minVersion: "TLSv1.2",
        allowHalfOpen: true,
        pauseOnConnect: true,
      },
      (socket) => this.secured(socket),
    );
    this.tls.on("tlsClientError", (error) => pod.log(`TLS error: ${error.message}`));
  }

  /** It listens on 15006. */
  server(): Server {
    return createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => void this.take(socket));
  }

  private async take(socket: Socket): Promise<void> {
    socket.on("error", () => socket.destroy());
    const facts = this.pod.mesh.current;
    const workload = facts && ownWorkload(this.pod, facts);
    const original = originalOf(socket);
    if (facts === undefined || workload === undefined || original === undefined) {
      reset(socket);
      return;
    }
    const incoming: Incoming = { original, sourceAddress: socket.remoteAddress ?? "" };
    const mode = mtlsMode(facts.peerAuthentications, workload, original.port);
    const protocol = protocolOf(facts, original);
    const began = mode === "DISABLE" && protocol === "tcp" ? undefined : await firstBytes(socket);
    const isTls = began?.kind === "tls";
    const isMesh = isTls && began.hello.protocols.some((each) => MESH_PROTOCOLS.includes(each));
    if (isTls && (mode === "STRICT" || (mode === "PERMISSIVE" && isMesh))) {
      const { serverName } = began.hello;
      const peer = peerOf(socket);
      this.shaking.set(peer, { ...incoming, ...(serverName !== undefined && { serverName }) });
      socket.once("close", () => this.shaking.delete(peer));
      this.tls.emit("connection", socket);
    } else if (mode === "STRICT") {
      this.pod.log(
        `tcp ${incoming.sourceAddress} ${original.address}:${original.port} plaintext refused: mTLS is STRICT`,
      );
      reset(socket);
    } else this.accept(socket, incoming, protocol !== "tcp" && began?.kind === "http");
  }

  /** After the handshake: the client's certificate is of the mesh's authority. */
  private secured(socket: TLSSocket): void {
    void this.takeSecured(socket);
  }

  private async takeSecured(socket: TLSSocket): Promise<void> {
    socket.on("error", () => socket.destroy());
    const facts = this.pod.mesh.current;
    const incoming = this.shaking.get(peerOf(socket));
    if (facts === undefined || incoming === undefined) {
      socket.destroy();
      return;
    }
    const identity = identityOf(socket.getPeerCertificate().subjectaltname);
    const isSniffed = protocolOf(facts, incoming.original) !== "tcp";
    const isHttp = isSniffed && (await firstBytes(socket)).kind === "http";
    this.accept(socket, { ...incoming, ...(identity && { identity }) }, isHttp);
  }

  private accept(socket: Socket, incoming: Incoming, isHttp: boolean): void {
    if (isHttp) {
      this.incoming.set(socket, incoming);
      this.http.emit("connection", socket);
      socket.resume();
      return;
    }
    const { original, sourceAddress, identity } = incoming;
    const decision = this.decide(incoming, undefined);
    const place = `tcp ${sourceAddress}${identity === undefined ? "" : ` ${spiffeId(identity)}`} ${original.address}:${original.port}`;
    if (!decision.isAllowed) {
      this.pod.log(`${place} ${denial(decision)}`);
      reset(socket);
      return;
    }
    this.pod.log(place);
    join(socket, this.toApp(original), (error) => this.pod.log(`${place} UF ${error.message}`));
  }

  private decide(incoming: Incoming, http: Access["http"]): Decision {
    const facts = this.pod.mesh.current;
    const workload: Workload | undefined = facts && ownWorkload(this.pod, facts);
    if (facts === undefined || workload === undefined) return { isAllowed: false };
    const { original, identity, sourceAddress, serverName } = incoming;
    return authorize(facts.authorizationPolicies, workload, {
      ...(identity && { identity }),
      ...(serverName !== undefined && { sni: serverName }),
      ...(http && { http }),
      sourceAddress,
      destinationAddress: original.address,
      port: original.port,
    });
  }

  private toApp(original: MeshEndpoint): Socket {
    const from = original.address.includes(":") ? {} : { from: INBOUND_SOURCE };
    return dial(this.pod.network(), original, { mark: INBOUND_MARK, ...from });
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const incoming = this.incoming.get(request.socket);
    const body = await bodyOf(request);
    if (incoming === undefined || body === undefined) {
      reply(response, body === undefined ? 413 : 503, "", { server: SERVER, connection: "close" });
      return;
    }
    const { method = "GET", url: target = "/", headers } = request;
    const line = `"${method} ${target} HTTP/${request.httpVersion}"`;
    const source = incoming.identity === undefined ? incoming.sourceAddress : spiffeId(incoming.identity);
    const path = target.split("?")[0] ?? "/";
    const decision = this.decide(incoming, { method, path, host: headers.host ?? "", headers });
    if (!decision.isAllowed) {
      this.pod.log(`${line} 403 ${denial(decision)} ${source}`);
      reply(response, 403, "RBAC: access denied", { server: SERVER });
      return;
    }
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const passed = withoutHeader(endToEnd(request.rawHeaders), CLIENT_CERTIFICATE);
    const client = this.clientCertificate(request.socket, incoming);
    const result = await exchange(
      { method, target, body, headers: client === undefined ? passed : withHeader(passed, CLIENT_CERTIFICATE, client) },
      () => {
        const socket = this.toApp(incoming.original);
        let isConnected = false;
        socket.once("connect", () => (isConnected = true));
        return { socket, isConnected: () => isConnected };
      },
      undefined,
      gone.signal,
    );
    if ("answer" in result) {
      this.pod.log(`${line} ${result.answer.statusCode} - ${source}`);
      await handOn(result.answer, response, withHeader(endToEnd(result.answer.rawHeaders), "server", SERVER));
      return;
    }
    this.pod.log(`${line} 503 UF ${source} ${result.reason}`);
    reply(response, 503, failureText(result), { server: SERVER });
  }

  /** Who asked, as the pod's server is told (envoyproxy.io … http_conn_man/headers, x-forwarded-client-cert). */
  private clientCertificate(socket: Socket, { identity }: Incoming): string | undefined {
    if (identity === undefined || !(socket instanceof TLSSocket)) return undefined;
    const facts = this.pod.mesh.current;
    const own = facts && ownWorkload(this.pod, facts);
    const hash = createHash("sha256").update(socket.getPeerCertificate().raw).digest("hex");
    return `By=${own === undefined ? "" : spiffeId(own)};Hash=${hash};Subject="";URI=${spiffeId(identity)}`;
  }
}

function peerOf({ remoteAddress = "", remotePort = 0 }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

function denial({ policy }: Decision): string {
  return policy === undefined
    ? "rbac_access_denied_matched_policy[none]"
    : `rbac_access_denied_matched_policy[${policy}]`;
}

/** What Services say of a port of the pod; `auto` of one that is no Service's. */
function protocolOf({ services }: MeshFacts, { address, port }: MeshEndpoint): PortProtocol {
  for (const service of services)
    for (const { endpoints, protocol } of service.ports)
      if (endpoints.some((endpoint) => endpoint.address === address && endpoint.port === port)) return protocol;
  return "auto";
}
