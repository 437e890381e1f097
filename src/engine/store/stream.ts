import type { StoreEvent } from "./history.ts";
import type { ObjectStore } from "./store.ts";
import type { WatchOptions } from "./watch.ts";

/**
 * A watch read at the reader's own pace, as an API server needs it. A reader that falls behind the kept history gets
 * STORE_TOO_OLD thrown and must list again; until then nothing is buffered for it. Ends when `signal` aborts.
 */
export async function* streamEvents(
  store: ObjectStore,
  options: WatchOptions,
  signal: AbortSignal,
): AsyncGenerator<StoreEvent, void> {
  let cursor = options.fromVersion ?? store.version;
  let wake = (): void => {};
  const watch = store.watch({}, () => wake());
  const onAbort = (): void => wake();
  signal.addEventListener("abort", onAbort);
  try {
    while (!signal.aborted) {
      const news = store.eventsSince(cursor);
      for (const event of news) {
        cursor = event.version;
        const isKind = options.kinds === undefined || options.kinds.includes(event.key);
        const isPlace = options.namespace === undefined || event.object.metadata.namespace === options.namespace;
        if (isKind && isPlace) yield event;
        if (signal.aborted) return;
      }
      if (news.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    watch.close();
    signal.removeEventListener("abort", onAbort);
  }
}
