import type { Socket } from "node:net";

/** Carries bytes both ways until both ends are done; what breaks one end breaks the other. */
export function join(one: Socket, other: Socket, onError: (error: Error) => void): void {
  const breakBoth = (error: Error): void => {
    onError(error);
    for (const socket of [one, other]) reset(socket);
  };
  one.on("error", breakBoth);
  other.on("error", breakBoth);
  one.once("close", () => follow(one, other));
  other.once("close", () => follow(other, one));
  one.pipe(other);
  other.pipe(one);
}

/** What was cut off cuts the other off; what ended in order has its last bytes delivered. */
function follow(closed: Socket, other: Socket): void {
  if (closed.readableEnded && closed.writableFinished) other.end();
  else other.destroy();
}

/** Ends a connection with RST, as Envoy ends one that it will not serve with data unread. */
export function reset(socket: Socket): void {
  if (socket.destroyed) return;
  // TLS has no such end: its socket below has.
  if ("encrypted" in socket) socket.destroy();
  else socket.resetAndDestroy();
}
