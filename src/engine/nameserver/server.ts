import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { createServer, type Server, type Socket } from "node:net";
import { replyToQuery } from "./query.ts";
import type { Zone } from "./records.ts";

/** What a name server answers from; undefined until the cluster is known. */
export interface ZoneSource {
  current: Zone | undefined;
}

const IDLE_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 512;

/** DNS over UDP on a socket that the caller binds. */
export function dnsDatagramServer(
  source: ZoneSource,
  family: "udp4" | "udp6",
  random: () => number = Math.random,
): DatagramSocket {
  const socket = createSocket(family);
  socket.on("message", (message, sender) => {
    const reply = replyToQuery(message, source.current, { protocol: "udp", random });
    // A reply that cannot be sent is lost, as any datagram may be; the resolver asks again.
    if (reply !== undefined) socket.send(reply, sender.port, sender.address, () => undefined);
  });
  return socket;
}

/** DNS over TCP (RFC 7766) on a socket that the caller lets listen: any number of queries a connection. */
export function dnsStreamServer(source: ZoneSource, random: () => number = Math.random): Server {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    socket.setTimeout(IDLE_TIMEOUT_MS, () => socket.destroy());
    answerStream(socket, source, random);
  });
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

/** Each message has its length before it; at most one incomplete message is kept. */
function answerStream(socket: Socket, source: ZoneSource, random: () => number): void {
  let pending = Buffer.alloc(0);
  socket.on("data", (data) => {
    pending = Buffer.concat([pending, data]);
    let isTaken = true;
    while (pending.length >= 2) {
      const length = pending.readUInt16BE(0);
      if (pending.length < 2 + length) break;
      const reply = replyToQuery(pending.subarray(2, 2 + length), source.current, { protocol: "tcp", random });
      pending = pending.subarray(2 + length);
      if (reply === undefined) {
        socket.destroy();
        return;
      }
      const head = Buffer.alloc(2);
      head.writeUInt16BE(reply.length, 0);
      isTaken = socket.write(Buffer.concat([head, reply]));
    }
    if (isTaken) return;
    // A client that does not read its answers is not read from either.
    socket.pause();
    socket.once("drain", () => socket.resume());
  });
}
