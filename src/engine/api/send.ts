import type { ServerResponse } from "node:http";
import { ApiError, NoSuchPath } from "./api-error.ts";

/** Sends a JSON text; warnings go along as the API sends them (RFC 7234 5.5, code 299). */
export function sendJson(
  response: ServerResponse,
  code: number,
  text: string,
  warnings: readonly string[] = [],
  contentType = "application/json",
): void {
  for (const warning of warnings) warn(response, warning);
  response.writeHead(code, { "Content-Type": contentType, "Content-Length": Buffer.byteLength(text) });
  response.end(text);
}

/** Sends an error as a Status. What is none of the API's is a fault of ours: the lab's log has its stack. */
export function sendError(response: ServerResponse, error: unknown): void {
  if (error instanceof NoSuchPath && !response.headersSent) {
    closeIfUnread(response);
    sendJson(response, 404, `${error.message}\n`, [], "text/plain; charset=utf-8");
    return;
  }
  const known = error instanceof ApiError ? error : undefined;
  if (known === undefined) process.stderr.write(`API: ${error instanceof Error ? error.stack : String(error)}\n`);
  // The first bytes of a stream are out already: all that can be said is that it ends here.
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const message = `Internal error occurred: ${error instanceof Error ? error.message : String(error)}`;
  const told = known ?? new ApiError("InternalError", message);
  const retryAfter = told.details?.retryAfterSeconds;
  if (retryAfter !== undefined) response.setHeader("Retry-After", String(retryAfter));
  closeIfUnread(response);
  sendJson(response, told.code, JSON.stringify(told.status()));
}

/** What is left of the request's body is not read. */
function closeIfUnread(response: ServerResponse): void {
  if (!response.req.complete) response.setHeader("Connection", "close");
}

/** Adds a warning to what will be answered. */
export function warn(response: ServerResponse, text: string): void {
  response.appendHeader("Warning", warningValue(text));
}

function warningValue(text: string): string {
  return `299 - "${text.replaceAll(/[^\x20-\x7e]/g, "?").replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}
