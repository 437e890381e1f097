import { apiVersionOf } from "../../../kube/group-version.ts";
import { setTimeout as pause } from "node:timers/promises";
import { LabError } from "../../../core/errors.ts";
import type { KubeObject } from "../../../kube/types.ts";
import { ApiError } from "./api-error.ts";
import type { ApiConnection } from "./connection.ts";
import { pathOf, type ApiResource } from "./resources.ts";

/** Which objects of a kind; all of a namespace or of the cluster without a name. */
export interface ObjectQuery {
  kind: string;
  apiVersion?: string;
  namespace?: string;
  name?: string;
  /** As `kubectl -l` takes it. */
  labelSelector?: string;
  fieldSelector?: string;
}

const PAGE_SIZE = 500;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 2000;

/** The objects of a query as they are now, and the version that a watch goes on from. */
export async function listCollection(
  connection: ApiConnection,
  resource: ApiResource,
  query: Omit<ObjectQuery, "kind">,
  signal?: AbortSignal,
): Promise<{ objects: KubeObject[]; resourceVersion: string }> {
  const objects: KubeObject[] = [];
  let from: string | undefined;
  for (;;) {
    const { body } = await connection.send({
      method: "GET",
      path: pathOf(resource, query.namespace),
      query: { ...selectors(query), limit: String(PAGE_SIZE), continue: from },
      signal,
    });
    const list = body as { items?: KubeObject[] | null; metadata: { resourceVersion: string; continue?: string } };
    // Items of a list do not say what they are (kubernetes/kubernetes#3030).
    const type = { apiVersion: apiVersionOf(resource), kind: resource.kind };
    // Nor does an empty list of endpoints come as one: the type's field has no "omitempty", and nil is null (discovery/v1).
    const filled =
      resource.kind === "EndpointSlice" ? (item: KubeObject) => ({ endpoints: item["endpoints"] ?? [] }) : undefined;
    objects.push(...(list.items ?? []).map((item) => ({ ...item, ...type, ...filled?.(item) })));
    from = list.metadata.continue;
    if (from === undefined || from === "") return { objects, resourceVersion: list.metadata.resourceVersion };
  }
}

function selectors({ name, labelSelector, fieldSelector }: Omit<ObjectQuery, "kind">): Record<string, string> {
  const fields = [...(name === undefined ? [] : [`metadata.name=${name}`]), fieldSelector ?? ""].filter((one) => one);
  return {
    ...(fields.length === 0 ? {} : { fieldSelector: fields.join(",") }),
    ...(labelSelector === undefined ? {} : { labelSelector }),
  };
}

interface WatchEvent {
  type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  object: KubeObject & { code?: number };
}

/** One collection, kept as the server has it. */
export class Followed {
  private readonly connection: ApiConnection;
  private readonly resource: ApiResource;
  private readonly query: Omit<ObjectQuery, "kind">;
  private readonly byName = new Map<string, KubeObject>();
  private version = "";
  /** Why the last try to watch failed; undefined while it goes well. */
  trouble: string | undefined;

  constructor(connection: ApiConnection, resource: ApiResource, query: Omit<ObjectQuery, "kind">) {
    this.connection = connection;
    this.resource = resource;
    this.query = query;
  }

  objects(): KubeObject[] {
    return [...this.byName.values()];
  }

  async list(signal: AbortSignal): Promise<void> {
    const { objects, resourceVersion } = await listCollection(this.connection, this.resource, this.query, signal);
    this.byName.clear();
    for (const object of objects) this.byName.set(keyOf(object), object);
    this.version = resourceVersion;
  }

  /** Follows changes from the last list on, over broken connections, until aborted; rejects with what is no passing trouble. */
  async watch(signal: AbortSignal, onChange: () => void): Promise<void> {
    let retryMs = FIRST_RETRY_MS;
    let isExpired = false;
    const onGood = (): void => {
      retryMs = FIRST_RETRY_MS;
      this.trouble = undefined;
      onChange();
    };
    while (!signal.aborted) {
      try {
        if (isExpired) {
          await this.list(signal);
          isExpired = false;
          onGood();
        }
        await this.watchOnce(signal, onGood);
      } catch (error) {
        if (signal.aborted) return;
        if (isGone(error)) {
          isExpired = true;
          continue;
        }
        if (!isPassing(error)) throw error;
        this.trouble = (error as Error).message;
        await pause(retryMs, undefined, { signal }).catch(() => undefined);
        retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
      }
    }
  }

  private async watchOnce(signal: AbortSignal, onChange: () => void): Promise<void> {
    const failure: { error?: ApiError } = {};
    const path = pathOf(this.resource, this.query.namespace);
    const watch = { watch: "1", allowWatchBookmarks: "true", resourceVersion: this.version };
    const query = { ...selectors(this.query), ...watch };
    await this.connection.stream({ method: "GET", path, query, signal }, (line) => {
      const { type, object } = JSON.parse(line) as WatchEvent;
      if (type === "ERROR") {
        failure.error ??= new ApiError(object.code ?? 500, object, `watch ${path}`);
        return;
      }
      this.version = object.metadata.resourceVersion ?? this.version;
      if (type === "BOOKMARK") return;
      if (type === "DELETED") this.byName.delete(keyOf(object));
      else this.byName.set(keyOf(object), object);
      onChange();
    });
    if (failure.error !== undefined) throw failure.error;
  }
}

/** 410: the version to watch from is older than the server's history. */
function isGone(error: unknown): boolean {
  return error instanceof ApiError && error.status === 410;
}

/** An API server that starts anew answers nothing or 5xx for a while, and 429 asks for patience. */
function isPassing(error: unknown): boolean {
  if (error instanceof ApiError) return error.status >= 500 || error.status === 429;
  return error instanceof LabError && error.code === "API_UNREACHABLE";
}

function keyOf({ metadata: { namespace = "", name } }: KubeObject): string {
  return `${namespace}/${name}`;
}
