import type { IncomingMessage, ServerResponse } from "node:http";
import { isRecord } from "../../core/is-record.ts";
import type { Clock } from "../clock.ts";
import type { ObjectStore } from "../store/store.ts";
import { ApiError, badRequest, noSuchPath } from "./api-error.ts";
import { parseJson } from "./decode-object.ts";
import type { ObjectLists } from "./list-objects.ts";
import { patchObject } from "./patch-object.ts";
import { formFor, Representation } from "./representation.ts";
import { contentType, readBody, readObject } from "./request-body.ts";
import type { ResourcePath } from "./request-path.ts";
import { findResource } from "./resources.ts";
import { answerReview } from "./reviews.ts";
import { scaleOf, withScale } from "./scale.ts";
import { sendJson } from "./send.ts";
import { statusOfError, type RequestTarget } from "./status-of-error.ts";
import type { Watches } from "./watch-objects.ts";
import { deletionOf, writeOptions, type ObjectWrites, type Written } from "./write-objects.ts";

/** What the handlers of a lab's API work with. */
export interface ApiParts {
  store: ObjectStore;
  clock: Clock;
  lists: ObjectLists;
  watches: Watches;
  writes: ObjectWrites;
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
  const resource = findResource(parts.store, path.group, path.version, path.resource);
  if (resource === undefined || (path.namespace !== undefined && !resource.namespaced)) throw noSuchPath();
  if (path.name !== undefined && resource.namespaced && path.namespace === undefined) throw noSuchPath();
  const target: RequestTarget = { resource, namespace: path.namespace, name: path.name };
  const call = { request, response, query, target, subresource: path.subresource };
  try {
    if (resource.key === undefined) await review(call);
    else if (path.name === undefined) await collection(parts, call);
    else if (path.subresource === "scale") await scale(parts, call);
    else await item(parts, call);
  } catch (error) {
    throw statusOfError(error, target);
  }
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
      respond(parts, call, 201, parts.writes.create(target, body, writeOptions(query)));
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
      respond(parts, call, 200, parts.writes.update(target, body, part, writeOptions(query)));
      return;
    }
    case "PATCH": {
      const patch = { body: parseJson(await readBody(request)), contentType: contentType(request) };
      respond(parts, call, 200, parts.writes.patch(target, patch, part, writeOptions(query)));
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
async function scale({ store, writes }: ApiParts, call: Call): Promise<void> {
  const { request, response, query, target } = call;
  if (!target.resource.subresources.includes("scale")) throw noSuchPath();
  const live = writes.get(target);
  const { isDryRun } = writeOptions(query);
  const write = (sent: unknown): void => {
    const written = writes.attempt(isDryRun, () => store.update(withScale(writes.get(target), sent, target)));
    sendJson(response, 200, JSON.stringify(scaleOf(written)));
  };
  switch (request.method) {
    case "GET":
      sendJson(response, 200, JSON.stringify(scaleOf(live)));
      return;
    case "PUT":
      write(await readObject(request));
      return;
    case "PATCH": {
      const body = parseJson(await readBody(request));
      write(patchObject(scaleOf(writes.get(target)), body, contentType(request)));
      return;
    }
    default:
      throw notAllowed();
  }
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
