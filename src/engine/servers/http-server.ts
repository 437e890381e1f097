import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Server, Socket } from "node:net";
import type { AccessLog } from "./access-log.ts";
import { accessLine } from "./access-line.ts";
import { httpApps, type HttpAsked, type HttpOptions, type PodFacts } from "./http-apps.ts";

/** A client that sends its request no faster than this is cut off. */
const REQUEST_TIMEOUT_MS = 30_000;
const IDLE_TIMEOUT_MS = 60_000;

/** An HTTP server, or with `tls` an HTTPS server, that answers as its app says; every answer names the pod in X-Pod-Name. */
export function httpServer(options: HttpOptions, pod: PodFacts, log: AccessLog): Server {
  const settings = {
    requestTimeout: REQUEST_TIMEOUT_MS,
    headersTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: 5000,
    connectionsCheckingInterval: 5000,
    maxHeaderSize: 16_384,
  };
  const reply = (request: IncomingMessage, response: ServerResponse): void =>
    answer(request, response, options, pod, log);
  const server =
    options.tls === undefined
      ? createServer(settings, reply)
      : createTlsServer({ ...settings, ...options.tls, handshakeTimeout: REQUEST_TIMEOUT_MS }, reply);
  server.on("tlsClientError", (error: Error, socket: Socket) => {
    log.add(`http: TLS handshake error from ${socket.remoteAddress ?? "a client"}: ${error.message}`);
    socket.destroy();
  });
  server.setTimeout(IDLE_TIMEOUT_MS);
  server.on("clientError", (_error, socket) => {
    if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    else socket.destroy();
  });
  return server;
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: HttpOptions,
  pod: PodFacts,
  log: AccessLog,
): void {
  // Whatever the client sends is read and dropped, so that its connection can go on.
  request.resume();
  const asked = askedOf(request);
  const reply = httpApps[options.app](asked, pod, options);
  const body = Buffer.from(reply.body);
  response.writeHead(reply.status, { ...reply.headers, "content-length": body.length, "x-pod-name": pod.name });
  response.end(request.method === "HEAD" ? undefined : body);
  log.add(accessLine(asked, request.httpVersion, reply.status, body.length));
}

function askedOf(request: IncomingMessage): HttpAsked {
  const target = request.url ?? "/";
  const mark = target.indexOf("?");
  const headerLines: string[] = [];
  for (let index = 0; index + 1 < request.rawHeaders.length; index += 2)
    headerLines.push(`${request.rawHeaders[index]}: ${request.rawHeaders[index + 1]}`);
  return {
    method: request.method ?? "GET",
    target,
    path: mark < 0 ? target : target.slice(0, mark),
    query: new URLSearchParams(mark < 0 ? "" : target.slice(mark + 1)),
    headers: request.headers,
    headerLines,
    remoteAddress: request.socket.remoteAddress ?? "",
    remotePort: request.socket.remotePort ?? 0,
    nowMs: Date.now(),
  };
}
