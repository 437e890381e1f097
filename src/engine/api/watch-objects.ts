import { apiVersionOf } from "../../kube/group-version.ts";
import type { ServerResponse } from "node:http";
import { LabError } from "../../core/errors.ts";
import type { KubeObject } from "../../kube/types.ts";
import type { StoreEvent } from "../store/history.ts";
import type { ObjectStore } from "../store/store.ts";
import { streamEvents } from "../store/stream.ts";
import { ApiError } from "./api-error.ts";
import { expired, selection, tooLarge, wholeNumber, type ObjectLists } from "./list-objects.ts";
import type { Representation } from "./representation.ts";
import { qualifiedName, type Resource } from "./resources.ts";

/** How many watches one lab serves at once; a client library needs one a kind. */
const MOST_WATCHES = 500;
/** What a client gets that names no time: between the API server's 30 and 60 minutes. */
const DEFAULT_TIMEOUT_MS = 45 * 60_000;
const BOOKMARK_INTERVAL_MS = 60_000;
/** A reader that takes nothing off its connection for so long is cut off. */
const STALLED_MS = 30_000;

export interface WatchRequest {
  resource: Resource;
  namespace: string | undefined;
  query: URLSearchParams;
  representation: Representation;
}

/** Serves watches: each reads the store's history at its client's own pace, and none is waited for. */
export class Watches {
  private readonly store: ObjectStore;
  private readonly lists: ObjectLists;
  private count = 0;

  constructor(store: ObjectStore, lists: ObjectLists) {
    this.store = store;
    this.lists = lists;
  }

  /** Streams events until the client goes, its time is over or it has fallen too far behind. Throws ApiError before the first byte. */
  async serve(request: WatchRequest, response: ServerResponse): Promise<void> {
    const { resource, namespace, query, representation } = request;
    const isSelected = selection(query, resource);
    const version = wholeNumber(query, "resourceVersion");
    const timeoutMs = (wholeNumber(query, "timeoutSeconds") ?? 0) * 1000 || DEFAULT_TIMEOUT_MS;
    if (version !== undefined && version > this.store.version)
      throw tooLarge(version, this.store.version, qualifiedName(resource));
    if (this.count >= MOST_WATCHES) {
      throw new ApiError("TooManyRequests", `too many watches: this lab serves ${MOST_WATCHES} at once`, {
        retryAfterSeconds: 1,
      });
    }
    this.count += 1;
    const abort = new AbortController();
    const end = (): void => abort.abort();
    const timer = setTimeout(end, Math.min(timeoutMs, 2 ** 31 - 1));
    response.once("close", end);
    const stream = new EventWriter(response, representation, abort.signal);
    let seen = version ?? this.store.version;
    const sendsInitialEvents = query.get("sendInitialEvents") === "true";
    const wantsBookmarks = query.get("allowWatchBookmarks") === "true" && representation.form !== "table";
    const bookmark = (annotations?: Record<string, string>): Promise<void> =>
      stream.send("BOOKMARK", bookmarkOf(resource, seen, annotations));
    const bookmarks = wantsBookmarks ? setInterval(() => void bookmark(), BOOKMARK_INTERVAL_MS) : undefined;
    try {
      response.writeHead(200, { "Content-Type": "application/json" });
      response.flushHeaders();
      if (version === undefined || version === 0 || sendsInitialEvents) {
        const objects = this.lists.current(resource, namespace, isSelected);
        seen = this.store.version;
        for (const object of objects) await stream.send("ADDED", object);
        if (sendsInitialEvents) await bookmark({ "k8s.io/initial-events-end": "true" });
      }
      const options = {
        kinds: [resource.key ?? ""],
        fromVersion: seen,
        ...(namespace === undefined ? {} : { namespace }),
      };
      for await (const batch of streamEvents(this.store, options, abort.signal)) {
        for (const event of batch.events) {
          await this.sendEvent(stream, event, isSelected);
          seen = event.version;
        }
        seen = batch.version;
      }
      if (wantsBookmarks) await bookmark();
    } catch (error) {
      if (!(error instanceof LabError) || error.code !== "STORE_TOO_OLD") throw error;
      await stream.sendStatus(expired(seen, this.store.version));
    } finally {
      this.count -= 1;
      clearTimeout(timer);
      clearInterval(bookmarks);
      response.off("close", end);
      response.end();
    }
  }

  /** An object that comes into the selection is added for this client, and one that leaves it deleted. */
  private async sendEvent(
    stream: EventWriter,
    { type, object, previous }: StoreEvent,
    isSelected: (object: KubeObject) => boolean,
  ): Promise<void> {
    const isIn = type !== "DELETED" && isSelected(object);
    const wasIn = previous !== undefined && isSelected(previous);
    if (isIn) await stream.send(wasIn ? "MODIFIED" : "ADDED", object);
    else if (wasIn && previous !== undefined) {
      const { resourceVersion = "" } = object.metadata;
      const last = type === "DELETED" ? object : { ...previous, metadata: { ...previous.metadata, resourceVersion } };
      await stream.send("DELETED", last);
    }
  }
}

function bookmarkOf(resource: Resource, version: number, annotations?: Record<string, string>): KubeObject {
  const metadata = { resourceVersion: String(version), creationTimestamp: null, ...(annotations && { annotations }) };
  return { kind: resource.kind, apiVersion: apiVersionOf(resource), metadata } as unknown as KubeObject;
}

/** Writes events one at a time, waiting for the client where its connection is full. */
class EventWriter {
  private readonly response: ServerResponse;
  private readonly representation: Representation;
  private readonly signal: AbortSignal;

  constructor(response: ServerResponse, representation: Representation, signal: AbortSignal) {
    this.response = response;
    this.representation = representation;
    this.signal = signal;
  }

  send(type: string, object: KubeObject): Promise<void> {
    return this.write(`{"type":"${type}","object":${this.representation.object(object)}}\n`);
  }

  sendStatus(error: ApiError): Promise<void> {
    return this.write(`{"type":"ERROR","object":${JSON.stringify(error.status())}}\n`);
  }

  private async write(text: string): Promise<void> {
    if (this.response.destroyed || this.response.writableEnded || this.response.write(text)) return;
    await drained(this.response, this.signal);
  }
}

/** Resolves when the connection takes more, or when the watch is over; a client that takes nothing for long is cut off. */
function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const stalled = setTimeout(() => response.destroy(), STALLED_MS);
    const done = (): void => {
      clearTimeout(stalled);
      response.off("drain", done);
      response.off("close", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    response.once("drain", done);
    response.once("close", done);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}
