import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { createServer as createTlsServer, type SecureContext } from "node:tls";
import type { Duplex } from "node:stream";
import type { KeyPair } from "../images/key-pair.ts";

export interface EntryPointHandlers {
  /** The certificate for clients that name no server. */
  own: KeyPair;
  contextFor(serverName: string): SecureContext;
  request(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** Traefik's readTimeout and idleTimeout, and Go's limit of a request's head. */
const READ_TIMEOUT_MS = 60_000;
const IDLE_TIMEOUT_MS = 180_000;
const MAX_HEADER_BYTES = 1_048_576;

/** Traefik has no limit; a lab's has one, so that a flood takes no other pod's descriptors. */
const MAX_CONNECTIONS = 4096;

/** The type of a TLS record that begins a handshake (RFC 8446 5.1). */
const HANDSHAKE = 0x16;

/**
 * A server of HTTP/1.1 that takes TLS and plain HTTP on one port, as Traefik's entry points do: the first byte tells them apart
 * (pkg/server/router/tcp/router.go). The caller lets it listen.
 */
export function entryPointServer({ own, contextFor, request, upgrade }: EntryPointHandlers): Server {
  const server = createServer({
    requestTimeout: READ_TIMEOUT_MS,
    headersTimeout: READ_TIMEOUT_MS,
    keepAliveTimeout: IDLE_TIMEOUT_MS,
    connectionsCheckingInterval: 5000,
    maxHeaderSize: MAX_HEADER_BYTES,
    noDelay: true,
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.on("request", request);
  server.on("upgrade", upgrade);
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => refuseClient(error, socket));
  // What Node does with a connection, once it is known what is spoken there.
  const [speakHttp] = server.listeners("connection") as ((socket: Duplex) => void)[];
  server.removeAllListeners("connection");
  const tls = createTlsServer({
    // Of a client that asks for no name.
    ...own,
    SNICallback: (name, done) => done(null, contextFor(name)),
    ALPNProtocols: ["http/1.1"],
    handshakeTimeout: READ_TIMEOUT_MS,
  });
  tls.on("secureConnection", (socket) => speakHttp?.call(server, socket));
  tls.on("tlsClientError", (_error, socket) => socket.destroy());
  server.on("connection", (socket: Socket) => {
    untilFirstByte(socket, (first) => {
      if (first === HANDSHAKE) tls.emit("connection", socket);
      else speakHttp?.call(server, socket);
    });
  });
  return server;
}

function untilFirstByte(socket: Socket, then: (first: number | undefined) => void): void {
  const drop = (): void => void socket.destroy();
  socket.setTimeout(READ_TIMEOUT_MS, drop);
  socket.once("error", drop).once("end", drop);
  socket.once("data", (data) => {
    socket.setTimeout(0, drop);
    socket.off("error", drop).off("end", drop);
    socket.pause();
    socket.unshift(data);
    then(data[0]);
    process.nextTick(() => socket.resume());
  });
}

/** As Go's server: a request that is none gets a word, one that comes too slowly none. */
function refuseClient({ code = "" }: NodeJS.ErrnoException, socket: Duplex): void {
  const status = code === "HPE_HEADER_OVERFLOW" ? "431 Request Header Fields Too Large" : "400 Bad Request";
  if (!socket.writable || code === "ERR_HTTP_REQUEST_TIMEOUT" || code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const head = `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n`;
  socket.end(head + status, () => socket.destroy());
}
