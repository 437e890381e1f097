import type { IncomingMessage } from "node:http";
import { ApiError } from "./api-error.ts";
import { parseJson, parseYaml } from "./decode-object.ts";

/** What the API server takes (apiserver server.Config, MaxRequestBodyBytes). */
const LARGEST_BODY_BYTES = 3 << 20;

/** Reads a request's whole body; throws ApiError (413) as soon as it is too large, leaving the rest unread. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  if (Number(request.headers["content-length"] ?? 0) > LARGEST_BODY_BYTES) throw tooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > LARGEST_BODY_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(): ApiError {
  return new ApiError("RequestEntityTooLarge", `Request entity too large: limit is ${LARGEST_BODY_BYTES}`);
}

/** The media type that a body is said to be, without its parameters; JSON where nothing is said. */
export function contentType(request: IncomingMessage): string {
  const [type = ""] = (request.headers["content-type"] ?? "").split(";");
  return type.trim().toLowerCase() || "application/json";
}

const PROTOBUF = "application/vnd.kubernetes.protobuf";

/** Reads an object in either of the encodings that are taken; undefined where the body is empty. Throws ApiError. */
export async function readObject(request: IncomingMessage): Promise<unknown> {
  const type = contentType(request);
  if (type === "application/json") {
    const body = await readBody(request);
    return body.toString("utf8").trim() === "" ? undefined : parseJson(body);
  }
  if (type === PROTOBUF) {
    const body = await readBody(request);
    return body.length === 0 ? undefined : (await import("./decode-protobuf.ts")).decodeProtobuf(body);
  }
  throw new ApiError(
    "UnsupportedMediaType",
    `the body of the request was in an unknown format (${type}) - accepted media types include: application/json, ${PROTOBUF}`,
  );
}

/** Reads the body of a server-side apply. Throws ApiError. */
export async function readYaml(request: IncomingMessage): Promise<unknown> {
  return parseYaml(await readBody(request));
}

/** Throws ApiError where the request asks to be somebody else: a lab has one user. */
export function refuseImpersonation(request: IncomingMessage): void {
  const asked = Object.keys(request.headers).some((name) => name.startsWith("impersonate-"));
  if (asked) throw new ApiError("Forbidden", "users cannot be impersonated: this lab's API has one user and no RBAC");
}
