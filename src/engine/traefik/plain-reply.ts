import { STATUS_CODES, type ServerResponse } from "node:http";
import { canonicalName, type Headers } from "./forwarded-headers.ts";

/** What a router does with the headers of every answer. */
type Change = ((headers: Headers) => void) | undefined;

/** Go's http.Error and http.NotFound: a line of text. */
export function replyText(response: ServerResponse, status: number, text: string, change?: Change): void {
  const body = `${text}\n`;
  const headers = { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" };
  end(response, { status, body, headers, change });
}

/** Traefik's answer for a server that gave none: the status's own words. */
export function replyStatus(response: ServerResponse, status: number, change?: Change): void {
  end(response, { status, body: STATUS_CODES[status] ?? "", headers: {}, change });
}

export function replyNothing(response: ServerResponse, status: number, change?: Change): void {
  end(response, { status, body: "", headers: {}, change });
}

/** Sends the client elsewhere, with the status's own words. */
export function replyRedirect(response: ServerResponse, status: number, location: string, change?: Change): void {
  const headers = { location, "content-type": "text/plain; charset=utf-8" };
  end(response, { status, body: STATUS_CODES[status] ?? "", headers, change });
}

function end(
  response: ServerResponse,
  { status, body, headers, change }: { status: number; body: string; headers: Record<string, string>; change: Change },
): void {
  prepare(response);
  const changed: Headers = new Map(Object.entries(headers).map(([name, value]) => [canonicalName(name), [value]]));
  change?.(changed);
  for (const [name, values] of changed) response.setHeader(name, values.length === 1 ? (values[0] ?? "") : values);
  response.writeHead(status, { "content-length": Buffer.byteLength(body) });
  response.end(body);
}

/** Go's servers say nothing of a connection that goes on. */
export function prepare(response: ServerResponse): void {
  if (response.shouldKeepAlive) response.removeHeader("connection");
  else response.setHeader("connection", "close");
}
