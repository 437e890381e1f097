import { type IncomingMessage, ServerResponse } from "node:http";
import type { Server, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createSecureContext, type SecureContext } from "node:tls";
import { makeServerCertificate } from "../api/certificate.ts";
import { applyFilters } from "./apply-filters.ts";
import { serverUrl } from "./balancer.ts";
import { Certificates } from "./certificates.ts";
import { entryPointServer } from "./entry-point.ts";
import type { Filtered } from "./filtered.ts";
import { forward, type Exchange } from "./forward.ts";
import { forwardUpgrade } from "./forward-upgrade.ts";
import { requestHeaders, ruleHeaders, type Headers } from "./forwarded-headers.ts";
import { logText } from "./log-line.ts";
import { replyNothing, replyRedirect, replyStatus, replyText } from "./plain-reply.ts";
import { requestTarget, type RequestTarget } from "./request-target.ts";
import { Routing, type RoutedService } from "./routing.ts";
import { canonicalHost, type AskedRequest } from "./rule.ts";
import type { Configuration, LogLine, StaticConfiguration } from "./types.ts";
import { Upstreams, type Connect } from "./upstream.ts";

export interface TraefikProxyOptions {
  statics: StaticConfiguration;
  /** The pod's: what X-Forwarded-Server says. */
  hostname: string;
  connect: Connect;
  log(line: string): void;
}

const EMPTY: Configuration = { routers: [], services: {}, middlewares: {}, certificates: [], errors: [] };

/** A running Traefik: its entry points route by one configuration, which may be replaced while requests are on their way. */
export class TraefikProxy {
  private readonly options: TraefikProxyOptions;
  private readonly upstreams: Upstreams;
  /** Its own, with which it serves what no Secret has a certificate for. */
  private readonly own = makeServerCertificate("TRAEFIK DEFAULT CERT", new Date());
  private readonly ownContext: SecureContext = createSecureContext(this.own);
  private routing: Routing;
  private certificates: Certificates;
  /** Lines that are told and still hold. */
  private told: ReadonlySet<string> = new Set();

  constructor(options: TraefikProxyOptions) {
    this.options = options;
    this.upstreams = new Upstreams(options.connect);
    this.routing = new Routing(EMPTY, options.statics);
    this.certificates = new Certificates([], this.ownContext);
  }

  /** The next request goes by this configuration; those that have begun keep their server. */
  route(configuration: Configuration): void {
    const { statics } = this.options;
    const { gateway, ...own } = configuration;
    const ingress = statics.hasIngressProvider ? own : EMPTY;
    const read = statics.gatewayProvider === undefined ? undefined : gateway;
    const { middlewares } = own;
    this.routing = new Routing({ ...ingress, middlewares, ...(read === undefined ? {} : { gateway: read }) }, statics);
    const certificates = [...ingress.certificates, ...(read?.certificates ?? [])];
    this.certificates = new Certificates(certificates, this.ownContext);
    const errors = [...ingress.errors, ...(read?.errors ?? [])];
    this.tellOnce([...errors, ...this.certificates.errors, ...this.routing.errors]);
  }

  /** The server of an entry point; the caller lets it listen, and closes it. */
  server(entryPoint: string): Server {
    return entryPointServer({
      own: this.own,
      contextFor: (name) => this.certificates.contextFor(name),
      request: (request, response) => {
        const exchange = this.exchange(entryPoint, request, response);
        if (exchange !== undefined) forward(exchange);
      },
      upgrade: (request, socket, head) => this.upgrade(entryPoint, request, socket, head),
    });
  }

  /** Ends its connections to servers. */
  close(): void {
    this.upstreams.close();
  }

  private upgrade(entryPoint: string, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as Socket);
    response.once("finish", () => socket.end());
    socket.on("error", () => socket.destroy());
    if (request.headers["content-length"] !== undefined || request.headers["transfer-encoding"] !== undefined) {
      replyNothing(response, 400);
      return;
    }
    const exchange = this.exchange(entryPoint, request, response);
    if (exchange !== undefined) forwardUpgrade(exchange, socket, head);
  }

  /** Finds a server for a request, or answers it. */
  private exchange(entryPoint: string, request: IncomingMessage, response: ServerResponse): Exchange | undefined {
    const target = requestTarget(request.url ?? "/");
    if (target === undefined) {
      replyNothing(response, 400);
      return undefined;
    }
    const isTls = "encrypted" in request.socket;
    const host = target.host ?? request.headers.host ?? "";
    const client = { rawHeaders: request.rawHeaders, host, clientAddress: addressOf(request), isTls };
    const { hostname } = this.options;
    const asked = {
      entryPoint,
      isTls,
      host: canonicalHost(host),
      path: target.routingPath,
      request: () => askedRequest(request, target, ruleHeaders(client, hostname)),
    };
    const service = this.routing.find(asked);
    if (service === "ping") {
      replyText(response, 200, "OK");
      return undefined;
    }
    if (service === undefined) {
      replyText(response, 404, "404 page not found");
      return undefined;
    }
    const headers = requestHeaders(client, hostname);
    const { method = "GET" } = request;
    const { clientAddress } = client;
    const asking = { target: target.target, host, headers, method, clientAddress, isTls };
    const filtered = applyFilters(service.filters ?? [], asking);
    return this.sentTo(service, { request, response, filtered });
  }

  /** The exchange with one of a service's servers; undefined where the request is answered here. */
  private sentTo(
    service: RoutedService,
    { request, response, filtered }: Pick<Exchange, "request" | "response"> & { filtered: Filtered },
  ): Exchange | undefined {
    const { target, host, headers, change, redirect, refused, why } = filtered;
    if (redirect !== undefined) {
      replyRedirect(response, redirect.status, redirect.location, change);
      return undefined;
    }
    if (refused !== undefined) {
      if (why === undefined) replyStatus(response, refused, change);
      else replyText(response, refused, why, change);
      return undefined;
    }
    const choice = service.balancer.choose(request.headers.cookie);
    if (choice === undefined) replyText(response, 503, "no available server", change);
    else if ("status" in choice) replyNothing(response, choice.status, change);
    if (choice === undefined || "status" in choice) return undefined;
    const { server, setCookie } = choice;
    const own = serverUrl(server).replace(/^.*:\/\//, "");
    return {
      request,
      response,
      server,
      wanted: { method: request.method ?? "GET", target, headers, host: service.passHostHeader ? host : own },
      ...(setCookie === undefined ? {} : { setCookie }),
      ...(change === undefined ? {} : { change }),
      upstreams: this.upstreams,
      tell: (line) => this.tell(line),
    };
  }

  private tell(line: LogLine): void {
    this.options.log(logText(line, new Date()));
  }

  /** Traefik says it all again at each change of the cluster; here a fault is told when it appears. */
  private tellOnce(lines: readonly LogLine[]): void {
    const texts = new Map(lines.map((line) => [JSON.stringify(line), line]));
    for (const [text, line] of texts) if (!this.told.has(text)) this.tell(line);
    this.told = new Set(texts.keys());
  }
}

function addressOf({ socket }: IncomingMessage): string {
  return (socket.remoteAddress ?? "").replace(/^::ffff:/, "");
}

function askedRequest({ method = "GET" }: IncomingMessage, { target }: RequestTarget, headers: Headers): AskedRequest {
  const mark = target.indexOf("?");
  return { method, headers, query: new URLSearchParams(mark < 0 ? "" : target.slice(mark)) };
}
