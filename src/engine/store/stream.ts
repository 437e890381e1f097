import type { StoreEvent } from "./history.ts";
import type { ObjectStore } from "./store.ts";
import type { WatchOptions } from "./watch.ts";

/** What happened up to a version, of that which was asked for; `events` may be empty. */
export interface EventBatch {
  events: StoreEvent[];
  version: number;
}

/**
 * A watch read at the reader's own pace, as an API server needs it. A reader that falls behind the kept history gets
 * STORE_TOO_OLD thrown and must list again; until then nothing is buffered for it. Ends when `signal` aborts.
 */
export async function* streamEvents(
  store: ObjectStore,
  options: WatchOptions,
  signal: AbortSignal,
): AsyncGenerator<EventBatch, void> {
  let cursor = options.fromVersion ?? store.version;
  let wake = (): void => {};
  const watch = store.watch({}, () => wake());
  const onAbort = (): void => wake();
  signal.addEventListener("abort", onAbort);
  try {
    while (!signal.aborted) {
      const news = store.eventsSince(cursor);
      const last = news.at(-1);
      if (last === undefined) {
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      cursor = last.version;
      const events = news.filter(({ key, object }) => {
        const isKind = options.kinds === undefined || options.kinds.includes(key);
        return isKind && (options.namespace === undefined || object.metadata.namespace === options.namespace);
      });
      yield { events, version: cursor };
    }
  } finally {
    watch.close();
    signal.removeEventListener("abort", onAbort);
  }
}
