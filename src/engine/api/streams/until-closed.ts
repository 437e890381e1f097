import type { WebSocket } from "ws";

/** A client that went away while nothing was read from it is noticed by what it is sent. */
export const PING_INTERVAL_MS = 1000;

/** Pings the client, and resolves when the connection is over, by whatever cause. */
export async function untilClosed(socket: WebSocket): Promise<void> {
  const pings = setInterval(() => socket.ping(), PING_INTERVAL_MS);
  // An "error" is followed by "close", and is the client's affair.
  socket.on("error", () => undefined);
  await new Promise<void>((resolve) => socket.once("close", () => resolve()));
  clearInterval(pings);
}
