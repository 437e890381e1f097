import { randomUUID } from "node:crypto";
import type { KubeObject } from "../../kube/types.ts";
import type { ObjectStore } from "../store/store.ts";
import { ApiError, badRequest } from "./api-error.ts";
import { parseFieldSelector } from "./field-selector.ts";
import { parseLabelSelector } from "./label-selector.ts";
import { qualifiedName, type Resource } from "./resources.ts";

/** Lists that are being read in pages, by their tokens: what is left of each, as it was when the list began. */
const MOST_PAGED_LISTS = 64;

interface PagedList {
  version: number;
  rest: readonly KubeObject[];
  /** What the list was asked for; a token of another list is refused. */
  request: string;
}

/** Objects of a resource, and the list's own metadata (meta/v1 ListMeta). */
export interface ListedObjects {
  objects: readonly KubeObject[];
  metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
}

/** Whether an object is one that a query's selectors mean. */
export function selection(query: URLSearchParams, resource: Resource): (object: KubeObject) => boolean {
  const hasLabels = parseLabelSelector(query.get("labelSelector") ?? "");
  const hasFields = parseFieldSelector(query.get("fieldSelector") ?? "", resource);
  return (object) => hasLabels(object.metadata.labels) && hasFields(object);
}

/** Answers lists, and keeps those that are read in pages. */
export class ObjectLists {
  private readonly store: ObjectStore;
  private readonly paged = new Map<string, PagedList>();

  constructor(store: ObjectStore) {
    this.store = store;
  }

  /** The objects that are there now, in the order of namespaces and names; a page of them with `limit`. Throws ApiError. */
  list(resource: Resource, namespace: string | undefined, query: URLSearchParams): ListedObjects {
    const limit = wholeNumber(query, "limit") ?? 0;
    const token = query.get("continue") ?? "";
    const request = JSON.stringify([
      qualifiedName(resource),
      namespace,
      query.get("labelSelector"),
      query.get("fieldSelector"),
    ]);
    if (token !== "") return this.nextPage(token, request, limit);
    this.checkVersion(query, qualifiedName(resource));
    const objects = this.current(resource, namespace, selection(query, resource));
    return this.page({ version: this.store.version, rest: objects, request }, limit);
  }

  /** All objects that a selection means, sorted as etcd sorts their keys. */
  current(
    { key = "" }: Resource,
    namespace: string | undefined,
    isSelected: (object: KubeObject) => boolean,
  ): KubeObject[] {
    const found = this.store.all({ kind: key, ...(namespace === undefined ? {} : { namespace }) });
    return found.filter(isSelected).toSorted(byPlace);
  }

  private page({ version, rest, request }: PagedList, limit: number): ListedObjects {
    const resourceVersion = String(version);
    if (limit === 0 || rest.length <= limit) return { objects: rest, metadata: { resourceVersion } };
    const token = randomUUID();
    this.paged.set(token, { version, rest: rest.slice(limit), request });
    for (const oldest of this.paged.keys()) {
      if (this.paged.size <= MOST_PAGED_LISTS) break;
      this.paged.delete(oldest);
    }
    const metadata = { resourceVersion, continue: token, remainingItemCount: rest.length - limit };
    return { objects: rest.slice(0, limit), metadata };
  }

  private nextPage(token: string, request: string, limit: number): ListedObjects {
    const list = this.paged.get(token);
    if (list === undefined) {
      throw new ApiError(
        "Expired",
        "The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.",
      );
    }
    if (list.request !== request) throw badRequest("continue key is not valid: it is of another list");
    // The token stays good: a client whose connection broke asks for the same page again.
    return this.page(list, limit);
  }

  /** Only what is there now is served: `Exact` of an older version is gone, and one of the future is not there yet. */
  private checkVersion(query: URLSearchParams, name: string): void {
    const match = query.get("resourceVersionMatch");
    const version = wholeNumber(query, "resourceVersion");
    if (match !== null && match !== "Exact" && match !== "NotOlderThan")
      throw badRequest(`resourceVersionMatch ${JSON.stringify(match)} is not supported`);
    if (version === undefined || version === 0) {
      if (match === "Exact") throw badRequest("resourceVersionMatch Exact is forbidden without a resourceVersion");
      return;
    }
    if (version > this.store.version) throw tooLarge(version, this.store.version, name);
    if (match === "Exact" && version < this.store.version) throw expired(version, this.store.version);
  }
}

/** storage.NewTooLargeResourceVersionError. */
export function tooLarge(version: number, current: number, name: string): ApiError {
  const message = `Too large resource version: ${version}, current: ${current}`;
  const causes = [{ reason: "ResourceVersionTooLarge", message: "Too large resource version", field: "" }];
  return new ApiError("Timeout", message, { kind: name, causes, retryAfterSeconds: 1 });
}

export function expired(version: number, current: number): ApiError {
  return new ApiError("Expired", `too old resource version: ${version} (${current})`);
}

/** A parameter that must be a number of 0 or more; undefined where it is absent or empty. Throws ApiError. */
export function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name) ?? "";
  if (text === "") return undefined;
  const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(number)) throw badRequest(`Invalid value: ${JSON.stringify(text)}: ${name} must be a whole number`);
  return number;
}

function byPlace(left: KubeObject, right: KubeObject): number {
  const [here, there] = [left.metadata, right.metadata];
  return compare(here.namespace ?? "", there.namespace ?? "") || compare(here.name, there.name);
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
