import { createServer, type Server, type Socket } from "node:net";
import type { AccessLog } from "./access-log.ts";
import type { Behaviour } from "./behaviour.ts";
import type { PodFacts } from "./http-apps.ts";

const IDLE_TIMEOUT_MS = 60_000;

type StreamKind = Exclude<
  Behaviour["kind"],
  "http" | "dns" | "netexec-udp" | "traefik" | "sidecar-outbound" | "sidecar-inbound"
>;

/** A TCP server that is not HTTP: it says the little that its protocol's clients check for. */
export function streamServer(behaviour: Behaviour & { kind: StreamKind }, pod: PodFacts, log: AccessLog): Server {
  return createServer((socket) => {
    // A client that resets its connection is no error of ours.
    socket.on("error", () => socket.destroy());
    socket.setTimeout(IDLE_TIMEOUT_MS, () => socket.destroy());
    log.add(`${socket.remoteAddress}:${socket.remotePort} connected`);
    conversations[behaviour.kind](socket, pod, behaviour);
  });
}

const conversations: Readonly<Record<StreamKind, (socket: Socket, pod: PodFacts, behaviour: Behaviour) => void>> = {
  sink: (socket) => void socket.resume(),
  // pipe() stops reading while the client does not take its echo.
  echo: (socket) => void socket.pipe(socket),
  say(socket, pod, behaviour) {
    socket.resume();
    socket.end(behaviour.kind === "say" ? (behaviour.text ?? pod.name) : "");
  },
  redis: byReplies((data) => {
    const asked = data.toString("latin1").toLowerCase();
    if (/\bping\b/.test(asked)) return "+PONG\r\n";
    return /\bquit\b/.test(asked) ? "+OK\r\n" : "-ERR this Redis is modelled: it answers PING only\r\n";
  }),
  postgres: byReplies((data) => {
    // SSLRequest and GSSENCRequest (postgresql.org/docs/current/protocol-message-formats.html): no encryption here.
    const code = data.length >= 8 ? data.readInt32BE(4) : 0;
    if (code === 80_877_103 || code === 80_877_104) return "N";
    return postgresError("this PostgreSQL is modelled: it holds no data");
  }),
  mysql(socket) {
    socket.resume();
    socket.write(mysqlGreeting);
  },
  memcached: byReplies((data) => (/^version\b/i.test(data.toString("latin1")) ? "VERSION 1.6.0\r\n" : "ERROR\r\n")),
};

/** One reply to each piece the client sends; reading waits while a reply is not taken. */
function byReplies(reply: (data: Buffer) => string | Buffer): (socket: Socket) => void {
  return (socket) => {
    socket.on("data", (data) => {
      if (socket.write(reply(data))) return;
      socket.pause();
      socket.once("drain", () => socket.resume());
    });
  };
}

function postgresError(message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C0A000\0M${message}\0\0`);
  const head = Buffer.from("E\0\0\0\0");
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

/** A protocol 10 handshake (dev.mysql.com … page_protocol_connection_phase_packets_protocol_handshake_v10.html). */
const mysqlGreeting = ((): Buffer => {
  const payload = Buffer.concat([
    Buffer.from([10]),
    Buffer.from("8.0.0-modelled\0"),
    Buffer.from([1, 0, 0, 0]),
    Buffer.from("modelled\0"),
    // Capabilities PROTOCOL_41 and SECURE_CONNECTION, character set utf8mb4, status autocommit, no plugin data.
    Buffer.from([0x00, 0x82, 45, 2, 0, 0, 0, 21]),
    Buffer.alloc(10),
    Buffer.from("modelledpods\0"),
  ]);
  return Buffer.concat([Buffer.from([payload.length & 0xff, payload.length >> 8, 0, 0]), payload]);
})();
