import { STATUS_CODES, type ServerResponse } from "node:http";

/** Go's http.Error and http.NotFound: a line of text. */
export function replyText(response: ServerResponse, status: number, text: string): void {
  const body = `${text}\n`;
  const headers = { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" };
  end(response, status, body, headers);
}

/** Traefik's answer for a server that gave none: the status's own words. */
export function replyStatus(response: ServerResponse, status: number): void {
  end(response, status, STATUS_CODES[status] ?? "", {});
}

export function replyNothing(response: ServerResponse, status: number): void {
  end(response, status, "", {});
}

function end(response: ServerResponse, status: number, body: string, headers: Record<string, string>): void {
  prepare(response);
  response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) });
  response.end(body);
}

/** Go's servers say nothing of a connection that goes on. */
export function prepare(response: ServerResponse): void {
  if (response.shouldKeepAlive) response.removeHeader("connection");
  else response.setHeader("connection", "close");
}
