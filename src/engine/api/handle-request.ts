import type { IncomingMessage, ServerResponse } from "node:http";
import { ApiError, noSuchPath } from "./api-error.ts";
import { bearerCheck } from "./bearer-check.ts";
import { aggregatedDiscovery, discoveryAt } from "./discovery.ts";
import { handleResource, type ApiParts } from "./handle-resource.ts";
import { acceptedMedia } from "./representation.ts";
import { refuseImpersonation } from "./request-body.ts";
import { parsePath } from "./request-path.ts";
import { METRICS_RESOURCES } from "./resource-metrics.ts";
import { resourcesOf } from "./resources.ts";
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
      else await other(parts, request, response, path.segments, query);
    } catch (error) {
      sendError(response, error);
    }
  };
}

async function other(
  { store, openApi, metrics }: ApiParts,
  request: IncomingMessage,
  response: ServerResponse,
  segments: string[],
  query: URLSearchParams,
): Promise<void> {
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
    await openApi.answer(request, response, rest.join("/"), query);
    return;
  }
  const served = [...resourcesOf(store), ...(metrics === undefined ? [] : METRICS_RESOURCES)];
  if ((first === "api" || first === "apis") && second === undefined && wantsAggregated(request)) {
    sendJson(response, 200, JSON.stringify(aggregatedDiscovery(served, first)), [], AGGREGATED);
    return;
  }
  const found = discoveryAt(served, segments);
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
