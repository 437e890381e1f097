import type { ClientRequest, IncomingMessage, ServerResponse } from "node:http";
import { asError } from "../../core/as-error.ts";
import { responseHeaders, type Headers } from "./forwarded-headers.ts";
import { prepare, replyStatus } from "./plain-reply.ts";
import type { LogLine, Server } from "./types.ts";
import { upstreamFault } from "./upstream-fault.ts";
import type { UpstreamRequest, Upstreams } from "./upstream.ts";

/** A request that has been given a server. */
export interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  server: Server;
  wanted: UpstreamRequest;
  setCookie?: string;
  /** What the router does with the headers of every answer. */
  change?: (headers: Headers) => void;
  upstreams: Upstreams;
  tell(line: LogLine): void;
}

/** Methods that Go's client sends once more where a kept connection turns out to be closed (net/http isReplayable). */
const REPLAYABLE = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/** Sends the request on and its answer back, as they come; neither is read faster than the other side takes it. */
export function forward(exchange: Exchange): void {
  const { request, response, wanted, server, upstreams } = exchange;
  const hasBody = frameBody(request, wanted.headers);
  let current: ClientRequest | undefined;
  response.once("close", () => {
    // The client is gone.
    if (!response.writableFinished) current?.destroy();
  });
  const attempt = (): void => {
    let isAnswered = false;
    const sent = beginOr(exchange);
    if (sent === undefined) return;
    current = sent;
    sent.once("response", (answer) => {
      isAnswered = true;
      relay(answer, exchange);
    });
    sent.on("error", (error) => {
      if (response.destroyed) return;
      if (isAnswered) response.destroy();
      else if (sent.reusedSocket && !hasBody && REPLAYABLE.has(wanted.method)) attempt();
      else refuse(exchange, error);
    });
    if (hasBody) request.pipe(sent);
    else sent.end();
  };
  attempt();

  function beginOr(of: Exchange): ClientRequest | undefined {
    try {
      return upstreams.begin(server, wanted);
    } catch (error) {
      refuse(of, asError(error));
      return undefined;
    }
  }
}

/** How long the body is, as the client said it; false where there is none. */
function frameBody(
  { headers: { "content-length": length, "transfer-encoding": coding } }: IncomingMessage,
  headers: Headers,
): boolean {
  headers.delete("Content-Length");
  if (coding !== undefined) headers.set("Transfer-Encoding", ["chunked"]);
  else if (length !== undefined) headers.set("Content-Length", [length]);
  return coding !== undefined || (length !== undefined && length !== "0");
}

/** Answers for a server that did not. */
export function refuse({ request, response, setCookie, change, tell }: Exchange, error: NodeJS.ErrnoException): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { status, error: told } = upstreamFault(error);
  if (told !== undefined)
    tell({ message: status === 500 ? "500 Internal Server Error" : String(status), error: told, fields: {} });
  // What else the client sends is not read.
  if (!request.complete) response.shouldKeepAlive = false;
  if (setCookie !== undefined) response.setHeader("set-cookie", setCookie);
  replyStatus(response, status, change);
}

/** Sends an answer to the client. One that breaks off breaks off there, too. */
export function relay(answer: IncomingMessage, exchange: Exchange): void {
  const { response, setCookie, change } = exchange;
  const headers = responseHeaders(answer.rawHeaders);
  if (setCookie !== undefined) headers.set("Set-Cookie", [setCookie, ...(headers.get("Set-Cookie") ?? [])]);
  change?.(headers);
  prepare(response);
  try {
    for (const [name, values] of headers) response.setHeader(name, values.length === 1 ? (values[0] ?? "") : values);
    response.writeHead(answer.statusCode ?? 502);
  } catch (error) {
    // Nothing that HTTP has words for.
    for (const name of headers.keys()) response.removeHeader(name);
    answer.destroy();
    refuse(exchange, asError(error));
    return;
  }
  answer.on("error", () => response.destroy());
  answer.once("end", () => {
    if (Object.keys(answer.trailers).length > 0) response.addTrailers(answer.trailers as NodeJS.Dict<string>);
  });
  answer.pipe(response);
  // An answer that has not begun its body is one that streams: its head goes ahead.
  setImmediate(() => {
    if (!response.writableEnded && !response.destroyed) response.flushHeaders();
  });
}
