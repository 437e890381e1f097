import { request as httpRequest, type ClientRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { HeaderChanges } from "../../kube/mesh/mesh-types.ts";

/* One exchange of HTTP through a proxy, in pieces: nothing of a mesh in here. */

/** Longer bodies are refused with 413: they are held, so that a request can be sent again. */
const LONGEST_BODY = 1 << 20;

/** Of one connection alone (RFC 9110 7.6.1). */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Header lines as Node has them: name, value, name, value, … */
export type RawHeaders = string[];

/** What one try came to: an answer whose body is still to come, or why there is none. */
export type Exchange = { answer: IncomingMessage } | { failure: "no-connection" | "reset" | "late"; reason: string };

export interface Sending {
  method: string;
  target: string;
  headers: RawHeaders;
  body: Buffer;
}

/** The whole body of a request; undefined where it is too long or the client went away. */
export function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let size = 0;
    request.on("data", (part: Buffer) => {
      size += part.length;
      if (size <= LONGEST_BODY) parts.push(part);
      else resolve(undefined);
    });
    request.once("end", () => resolve(Buffer.concat(parts)));
    request.once("close", () => resolve(undefined));
  });
}

/** Without what is of one connection alone. */
export function endToEnd(headers: readonly string[]): RawHeaders {
  return pairs(headers)
    .filter(([name]) => !HOP_BY_HOP.has(name.toLowerCase()))
    .flat();
}

export function pairs(headers: readonly string[]): [string, string][] {
  const found: [string, string][] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) found.push([headers[at] ?? "", headers[at + 1] ?? ""]);
  return found;
}

/** With one value of this name and no other. */
export function withHeader(headers: RawHeaders, name: string, value: string): RawHeaders {
  return [...withoutHeader(headers, name), name, value];
}

export function withoutHeader(headers: RawHeaders, name: string): RawHeaders {
  return pairs(headers)
    .filter(([each]) => each.toLowerCase() !== name.toLowerCase())
    .flat();
}

/** Removed, then set, then added. */
export function changedHeaders(headers: RawHeaders, changes: HeaderChanges | undefined): RawHeaders {
  let changed = headers;
  for (const name of changes?.remove ?? []) changed = withoutHeader(changed, name);
  for (const [name, value] of Object.entries(changes?.set ?? {})) changed = withHeader(changed, name, value);
  for (const [name, value] of Object.entries(changes?.add ?? {})) changed = [...changed, name, value];
  return changed;
}

/** Sends a request over a connection that is being made; the answer's body is the caller's to read. */
export function exchange(
  { method, target, headers, body }: Sending,
  connect: () => { socket: Socket; isConnected: () => boolean },
  timeoutMs: number | undefined,
  gone: AbortSignal,
): Promise<Exchange> {
  const { socket, isConnected } = connect();
  return new Promise((resolve) => {
    let sent: ClientRequest | undefined;
    let timer: NodeJS.Timeout | undefined;
    const end = (result: Exchange): void => {
      clearTimeout(timer);
      gone.removeEventListener("abort", leave);
      resolve(result);
    };
    const leave = (): void => {
      sent?.destroy();
      end({ failure: "reset", reason: "the client has gone" });
    };
    sent = httpRequest({
      createConnection: () => socket,
      method,
      path: target,
      headers: withHeader(headers, "connection", "close"),
      setHost: false,
    });
    const fail = (error: NodeJS.ErrnoException): void =>
      end({ failure: isConnected() ? "reset" : "no-connection", reason: reasonOf(error) });
    sent.once("response", (answer) => end({ answer }));
    sent.on("error", fail);
    // The request looks at its connection a tick later, when one that failed at once is gone.
    socket.on("error", fail);
    socket.once("close", () => fail(new Error("connection closed")));
    if (timeoutMs !== undefined)
      timer = setTimeout(() => {
        sent?.destroy();
        end({ failure: "late", reason: "timeout" });
      }, timeoutMs);
    gone.addEventListener("abort", leave, { once: true });
    sent.end(body);
  });
}

/** Hands an answer on, its body as it comes; resolves with the bytes of the body when it is all sent. */
export function handOn(answer: IncomingMessage, response: ServerResponse, headers: RawHeaders): Promise<number> {
  let size = 0;
  response.writeHead(answer.statusCode ?? 502, headers);
  return new Promise((resolve) => {
    answer.on("data", (part: Buffer) => (size += part.length));
    answer.pipe(response);
    answer.once("error", () => response.destroy());
    response.once("close", () => {
      answer.destroy();
      resolve(size);
    });
  });
}

/** An answer of the proxy's own. */
export function reply(response: ServerResponse, status: number, body: string, headers: Record<string, string>): void {
  const own = body === "" ? {} : { "content-type": "text/plain" };
  response.writeHead(status, { ...own, "content-length": Buffer.byteLength(body), ...headers });
  response.end(body);
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Connection refused",
  EHOSTUNREACH: "No route to host",
  ENETUNREACH: "Network is unreachable",
  ETIMEDOUT: "connection timeout",
};

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  return REASONS[code ?? ""] ?? message;
}
