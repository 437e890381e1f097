import type { Duplex } from "node:stream";
import { WebSocket, type RawData } from "ws";
import { controlFrame, SpdyError, TYPE, words } from "../spdy/frames.ts";
import { SpdySession, type SpdyStream } from "../spdy/spdy-session.ts";
import { PING_INTERVAL_MS, untilClosed } from "./until-closed.ts";

/** What carries the bytes of a SPDY connection. */
export interface Carrier {
  /** Resolves when the kernel has them: false where the client is gone. */
  send(bytes: Buffer): Promise<boolean>;
  /** Hands on what comes, a piece at a time: each when the promise of the one before is settled. */
  read(take: (bytes: Buffer) => Promise<void>): void;
  /** Resolves when the connection is over, by whatever cause. */
  readonly closed: Promise<void>;
  /** Ends the connection once what was sent is out; `isBroken` where the client broke the protocol. */
  close(isBroken?: boolean): void;
  /** Ends it now. */
  destroy(): void;
}

/** The messages of a WebSocket (KEP-4006, tunnelling). */
export function webSocketCarrier(socket: WebSocket): Carrier {
  return {
    closed: untilClosed(socket),
    send: (bytes) =>
      socket.readyState === WebSocket.OPEN
        ? new Promise((resolve) => socket.send(bytes, (error) => resolve(error === undefined || error === null)))
        : Promise.resolve(false),
    read: (take) => {
      let reading = Promise.resolve();
      socket.on("message", (data: RawData) => {
        socket.pause();
        reading = reading.then(() => take(data as Buffer)).then(() => socket.resume());
      });
    },
    close: (isBroken = false) => socket.close(isBroken ? 1002 : 1000),
    destroy: () => socket.terminate(),
  };
}

/** The connection itself, after its upgrade; `head` is what came with the request. */
export function socketCarrier(socket: Duplex, head: Buffer): Carrier {
  const send = (bytes: Buffer): Promise<boolean> =>
    socket.writable
      ? new Promise((resolve) => socket.write(bytes, (error) => resolve(error === undefined || error === null)))
      : Promise.resolve(false);
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  // A client that went away while nothing was read from it is noticed by what it is sent. Even numbers are the server's (2.6.5).
  const pings = setInterval(() => void send(controlFrame(TYPE.ping, words(2))), PING_INTERVAL_MS);
  void closed.then(() => clearInterval(pings));
  // Streams end by their own frames: a client that ends the connection is gone.
  socket.on("end", () => socket.destroy());
  return {
    closed,
    send,
    read: (take) => {
      if (head.length > 0) socket.unshift(head);
      socket.on("data", (bytes: Buffer) => {
        socket.pause();
        void take(bytes).then(() => socket.resume());
      });
    },
    close: () => {
      socket.resume();
      socket.end();
    },
    destroy: () => socket.destroy(),
  };
}

/** Speaks SPDY/3.1 on a carrier until it is closed; `onStream` says of each stream whether it is taken. */
export function serveSpdy(carrier: Carrier, onStream: (stream: SpdyStream) => boolean): SpdySession {
  const session = new SpdySession({ send: (bytes) => carrier.send(bytes), onStream });
  carrier.read(async (bytes) => {
    try {
      await session.take(bytes);
    } catch (error) {
      if (!(error instanceof SpdyError)) process.stderr.write(`API: ${String(error)}\n`);
      await session.refuse();
      carrier.close(true);
    }
  });
  void carrier.closed.then(() => session.close());
  return session;
}
