import type { Socket } from "node:net";
import { readClientHello, type ClientHello } from "./client-hello.ts";

/** What a client began with. */
export type FirstBytes = { kind: "tls"; hello: ClientHello } | { kind: "http" } | { kind: "other" };

/** A request line of HTTP/1 (RFC 9112 3): a method, a space, and what it asks for. */
const REQUEST_START = /^[A-Z]{3,20} [/*h]/i;
const BEGUN_REQUEST = /^[A-Z]{0,20} ?$/i;
const HTTP2_PREFACE = "PRI * HTTP/2.0";

/** Resolves with what the client sends first, which the socket still gives to whoever reads it next; the socket is paused. */
export function firstBytes(socket: Socket): Promise<FirstBytes> {
  return new Promise((resolve) => {
    let seen: Buffer = Buffer.alloc(0);
    const decide = (kind: FirstBytes): void => {
      socket.off("data", take);
      socket.off("end", end);
      socket.off("close", end);
      socket.pause();
      if (seen.length > 0) socket.unshift(seen);
      resolve(kind);
    };
    const take = (chunk: Buffer): void => {
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
      const kind = kindOf(seen);
      if (kind !== undefined) decide(kind);
    };
    const end = (): void => decide({ kind: "other" });
    socket.on("data", take);
    socket.once("end", end);
    socket.once("close", end);
    socket.resume();
  });
}

/** Undefined while more has to come. */
export function kindOf(bytes: Buffer): FirstBytes | undefined {
  if (bytes[0] === 0x16) {
    const hello = readClientHello(bytes);
    if (hello === "incomplete") return undefined;
    return hello === undefined ? { kind: "other" } : { kind: "tls", hello };
  }
  const text = bytes.subarray(0, 24).toString("latin1");
  if (HTTP2_PREFACE.startsWith(text)) return text === HTTP2_PREFACE ? { kind: "other" } : undefined;
  if (text.startsWith(HTTP2_PREFACE)) return { kind: "other" };
  if (REQUEST_START.test(text)) return { kind: "http" };
  return BEGUN_REQUEST.test(text) ? undefined : { kind: "other" };
}
