import type { IncomingMessage, ServerResponse } from "node:http";
import { isRecord } from "../../core/is-record.ts";
import type { Clock } from "../clock.ts";
import type { MetricsServer } from "../metrics/metrics-server.ts";
import type { NormalEvents } from "../normal-events.ts";
import type { ObjectStore } from "../store/store.ts";
import { ApiError, badRequest, noSuchPath } from "./api-error.ts";
import { parseJson } from "./decode-object.ts";
import { evictPod } from "./evict-pod.ts";
import { selection, type ObjectLists } from "./list-objects.ts";
import type { OpenApiDocuments } from "./openapi.ts";
import { APPLY_PATCH, patchObject } from "./patch-object.ts";
import { formFor, Representation } from "./representation.ts";
import { contentType, readBody, readObject, readYaml } from "./request-body.ts";
import type { ResourcePath } from "./request-path.ts";
import { METRICS_RESOURCES, metricsObjects, noMetricsOf } from "./resource-metrics.ts";
import { findResource, type Resource } from "./resources.ts";
import { answerReview } from "./reviews.ts";
import { scaleOf } from "./scale.ts";
import { sendJson, warn } from "./send.ts";
import { isPodLog, isPodStream } from "./streams/pod-of-request.ts";
import { statusOfError, type RequestTarget } from "./status-of-error.ts";
import type { LogRequests } from "./streams/serve-log.ts";
import type { Watches } from "./watch-objects.ts";
import { deletionOf, type ObjectWrites, type Written } from "./write-objects.ts";
import { applyOptions, writeOptions } from "./write-options.ts";

/** What a cluster of 1.33 and newer says of every request for Endpoints (KEP-4974). */
const ENDPOINTS_DEPRECATED = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice";

/** What the handlers of a lab's API work with. */
export interface ApiParts {
  store: ObjectStore;
  clock: Clock;
  lists: ObjectLists;
  watches: Watches;
  writes: ObjectWrites;
  openApi: OpenApiDocuments;
  /** Absent where no pods run. */
  logs?: LogRequests;
  events?: NormalEvents | undefined;
  /** Absent where the lab has no metrics-server: its API group is not served. */
  metrics?: MetricsServer | undefined;
}

/** A request for a resource, its path and query read. */
interface Call {
  request: IncomingMessage;
  response: ServerResponse;
  query: URLSearchParams;
  target: RequestTarget;
  subresource: string | undefined;
}

/** Answers a request for a resource; throws ApiError. */
export async function handleResource(
  parts: ApiParts,
  request: IncomingMessage,
  response: ServerResponse,
  path: ResourcePath,
  query: URLSearchParams,
): Promise<void> {
  const resource = metricsResource(parts, path) ?? findResource(parts.store, path.group, path.version, path.resource);
  if (resource === undefined || (path.namespace !== undefined && !resource.namespaced)) throw noSuchPath();
  if (path.name !== undefined && resource.namespaced && path.namespace === undefined) throw noSuchPath();
  if (resource.key === "Endpoints") warn(response, ENDPOINTS_DEPRECATED);
  if (resource.key === "Event") readyEvents(parts.events, response, isTrue(query.get("watch")));
  const target: RequestTarget = { resource, namespace: path.namespace, name: path.name };
  const call = { request, response, query, target, subresource: path.subresource };
  try {
    if (parts.metrics !== undefined && METRICS_RESOURCES.includes(resource)) metrics(parts, parts.metrics, call);
    else if (resource.key === undefined) await review(call);
    else if (path.name === undefined) await collection(parts, call);
    else if (isPodStream(path)) throw badRequest("Upgrade request required");
    else if (isPodLog(path) && parts.logs !== undefined) await parts.logs.serve(path, query, request, response);
    else if (path.subresource === "scale") await scale(parts, call);
    else if (path.subresource === "eviction") await evict(parts, call);
    else await item(parts, call);
  } catch (error) {
    throw statusOfError(error, target);
  }
}

/** Events are made when they are read; for a watch also while it lasts. */
function readyEvents(events: NormalEvents | undefined, response: ServerResponse, isWatch: boolean): void {
  events?.write();
  if (events !== undefined && isWatch) response.once("close", events.follow());
}

function metricsResource(
  { metrics: server }: ApiParts,
  { group, version, resource }: ResourcePath,
): Resource | undefined {
  if (server === undefined) return undefined;
  return METRICS_RESOURCES.find((each) => each.group === group && each.version === version && each.name === resource);
}

/** Figures are made when they are asked for; there is nothing to watch. */
function metrics(parts: ApiParts, server: MetricsServer, call: Call): void {
  const { request, response, query, target, subresource } = call;
  const { resource, namespace, name } = target;
  if (subresource !== undefined) throw noSuchPath();
  if (request.method !== "GET" || isTrue(query.get("watch"))) throw notAllowed();
  const objects = metricsObjects(server, parts.store, resource, namespace);
  const representation = representationFor(parts, call);
  if (name === undefined) {
    const listed = objects.filter(selection(query, resource));
    sendJson(response, 200, representation.list(listed, {}));
    return;
  }
  const found = objects.find(({ metadata }) => metadata.name === name);
  if (found === undefined) throw noMetricsOf(resource, namespace, name);
  sendJson(response, 200, representation.object(found));
}

async function review({ request, response, target }: Call): Promise<void> {
  if (request.method !== "POST" || target.name !== undefined) throw notAllowed();
  sendJson(response, 201, JSON.stringify(answerReview(target.resource, await readObject(request))));
}

async function collection(parts: ApiParts, call: Call): Promise<void> {
  const { request, response, query, target } = call;
  const { resource, namespace } = target;
  switch (request.method) {
    case "GET": {
      const representation = representationFor(parts, call);
      if (isTrue(query.get("watch"))) {
        await parts.watches.serve({ resource, namespace, query, representation }, response);
        return;
      }
      const { objects, metadata } = parts.lists.list(resource, namespace, query);
      sendJson(response, 200, representation.list(objects, { ...metadata }));
      return;
    }
    case "POST": {
      if (resource.namespaced && namespace === undefined) throw notAllowed();
      const body = await readObject(request);
      const name = isRecord(body) && isRecord(body["metadata"]) ? body["metadata"]["name"] : undefined;
      if (typeof name === "string" && name !== "") target.name = name;
      respond(parts, call, 201, parts.writes.create(target, body, writeOptions(request, query)));
      return;
    }
    case "DELETE": {
      const representation = representationFor(parts, call);
      const deletion = deletionOf(query, await readObject(request), resource);
      const { objects, metadata } = parts.lists.list(resource, namespace, query);
      parts.writes.deleteAll(target, objects, deletion);
      sendJson(response, 200, representation.list(objects, { ...metadata }));
      return;
    }
    default:
      throw notAllowed();
  }
}

async function item(parts: ApiParts, call: Call): Promise<void> {
  const { request, response, query, target, subresource } = call;
  const isStatus = subresource === "status" && target.resource.subresources.includes("status");
  if (subresource !== undefined && !isStatus) throw noSuchPath();
  const part = isStatus ? "status" : "object";
  switch (request.method) {
    case "GET": {
      const representation = representationFor(parts, call);
      if (isTrue(query.get("watch"))) throw badRequest("watch the collection with fieldSelector=metadata.name=NAME");
      sendJson(response, 200, representation.object(parts.writes.get(target)));
      return;
    }
    case "PUT": {
      const body = await readObject(request);
      respond(parts, call, 200, parts.writes.update(target, body, part, writeOptions(request, query)));
      return;
    }
    case "PATCH": {
      const type = contentType(request);
      if (type === APPLY_PATCH) {
        const options = applyOptions(query);
        const { isNew, ...written } = parts.writes.apply(target, await readYaml(request), part, options);
        respond(parts, call, isNew ? 201 : 200, written);
        return;
      }
      const patch = { body: parseJson(await readBody(request)), contentType: type };
      respond(parts, call, 200, parts.writes.patch(target, patch, part, writeOptions(request, query)));
      return;
    }
    case "DELETE": {
      if (isStatus) throw notAllowed();
      const result = parts.writes.delete(target, deletionOf(query, await readObject(request), target.resource));
      sendJson(response, 200, JSON.stringify(result));
      return;
    }
    default:
      throw notAllowed();
  }
}

/** The scale subresource: a Scale in the place of the object, both ways. */
async function scale({ writes }: ApiParts, call: Call): Promise<void> {
  const { request, response, query, target } = call;
  if (!target.resource.subresources.includes("scale")) throw noSuchPath();
  const live = writes.get(target);
  const write = (sent: unknown): void => {
    const written = writes.scale(target, sent, writeOptions(request, query));
    sendJson(response, 200, JSON.stringify(scaleOf(written, target.resource)));
  };
  switch (request.method) {
    case "GET":
      sendJson(response, 200, JSON.stringify(scaleOf(live, target.resource)));
      return;
    case "PUT":
      write(await readObject(request));
      return;
    case "PATCH": {
      const body = parseJson(await readBody(request));
      write(patchObject(scaleOf(writes.get(target), target.resource), body, contentType(request)));
      return;
    }
    default:
      throw notAllowed();
  }
}

async function evict({ store, writes }: ApiParts, { request, response, query, target }: Call): Promise<void> {
  if (!target.resource.subresources.includes("eviction")) throw noSuchPath();
  if (request.method !== "POST") throw notAllowed();
  sendJson(response, 201, JSON.stringify(evictPod(store, writes, target, await readObject(request), query)));
}

function representationFor({ clock }: ApiParts, { request, query, target }: Call): Representation {
  const include = query.get("includeObject") ?? "Metadata";
  if (include !== "None" && include !== "Metadata" && include !== "Object")
    throw badRequest(`includeObject ${JSON.stringify(include)} is not supported`);
  return new Representation(formFor(request.headers.accept), target.resource, include, clock.nowMs());
}

function respond(parts: ApiParts, call: Call, code: number, { object, warnings }: Written): void {
  sendJson(call.response, code, representationFor(parts, call).object(object), warnings);
}

/** strconv.ParseBool, as far as clients write it. */
function isTrue(value: string | null): boolean {
  return value === "true" || value === "1";
}

function notAllowed(): ApiError {
  return new ApiError("MethodNotAllowed", "the server does not allow this method on the requested resource");
}
