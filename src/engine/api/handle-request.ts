import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { ApiError, noSuchPath } from "./api-error.ts";
import { aggregatedDiscovery, discoveryAt } from "./discovery.ts";
import { handleResource, type ApiParts } from "./handle-resource.ts";
import { openApiDocument, openApiIndex } from "./openapi.ts";
import { acceptedMedia } from "./representation.ts";
import { refuseImpersonation } from "./request-body.ts";
import { parsePath } from "./request-path.ts";
import { sendError, sendJson } from "./send.ts";

/** Whose kinds and fields are known here (src/kube/api-fields.json). */
const VERSION = {
  major: "1",
  minor: "34",
  gitVersion: "v1.34.0+cnilab",
  gitTreeState: "clean",
  platform: `linux/${process.arch === "x64" ? "amd64" : process.arch}`,
};

/** What anybody may read, as `system:public-info-viewer` and the probes of a load balancer may. */
const PUBLIC: ReadonlySet<string> = new Set(["healthz", "livez", "readyz", "version"]);

const AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/** Answers every request to a lab's API; never throws or rejects. */
export function requestHandler(
  parts: ApiParts,
  token: string,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const isAllowed = bearerCheck(token);
  return async (request, response) => {
    // A client that goes away says so by "close", too.
    response.on("error", () => undefined);
    try {
      const { path, query } = parsePath(request.url ?? "/");
      const isPublic = path.kind === "other" && PUBLIC.has(path.segments[0] ?? "");
      if (!isPublic && !isAllowed(request)) throw new ApiError("Unauthorized", "Unauthorized");
      refuseImpersonation(request);
      if (path.kind === "resource") await handleResource(parts, request, response, path.path, query);
      else other(parts, request, response, path.segments);
    } catch (error) {
      sendError(response, error);
    }
  };
}

/** Compares digests, so that neither the token's length nor how much of it was right can be measured. */
function bearerCheck(token: string): (request: IncomingMessage) => boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  const wanted = digest(`Bearer ${token}`);
  return ({ headers }) => timingSafeEqual(digest(headers.authorization ?? ""), wanted);
}

function other({ store }: ApiParts, request: IncomingMessage, response: ServerResponse, segments: string[]): void {
  if (request.method !== "GET") throw noSuchPath();
  const [first, second, ...rest] = segments;
  if (first === "version" && second === undefined) {
    sendJson(response, 200, JSON.stringify(VERSION));
    return;
  }
  if (first !== undefined && PUBLIC.has(first) && second === undefined) {
    sendJson(response, 200, "ok", [], "text/plain; charset=utf-8");
    return;
  }
  if (first === "openapi" && second === "v3") {
    const answer = rest.length === 0 ? openApiIndex(store) : openApiDocument(store, rest.join("/"));
    if (answer === undefined) throw noSuchPath();
    sendJson(response, 200, JSON.stringify(answer));
    return;
  }
  if ((first === "api" || first === "apis") && second === undefined && wantsAggregated(request)) {
    sendJson(response, 200, JSON.stringify(aggregatedDiscovery(store, first)), [], AGGREGATED);
    return;
  }
  const found = discoveryAt(store, segments);
  if (found === undefined) throw noSuchPath();
  sendJson(response, 200, JSON.stringify(found));
}

function wantsAggregated({ headers }: IncomingMessage): boolean {
  return acceptedMedia(headers.accept).some(
    ({ parameters }) =>
      parameters.get("g") === "apidiscovery.k8s.io" &&
      parameters.get("v") === "v2" &&
      parameters.get("as") === "APIGroupDiscoveryList",
  );
}
