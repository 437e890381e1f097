import type { History, StoreEvent } from "./history.ts";

export interface WatchOptions {
  /** What `kindKey` gives; absent: every kind. */
  kinds?: readonly string[];
  namespace?: string;
  /** Begin after this version (replaying what followed); absent: now. Throws STORE_TOO_OLD. */
  fromVersion?: number;
}

/** A running watch. */
export interface Watch {
  close(): void;
}

interface Watcher {
  cursor: number;
  options: WatchOptions;
  onEvents: (events: StoreEvent[]) => void;
}

/**
 * Hands changes to watchers in a microtask, in batches, so that a write never waits for one. A watcher is only a place
 * in the history: one that is slow to read costs no memory, and nothing is forgotten before all were called.
 */
export class WatchHub {
  private readonly history: History;
  private readonly watchers = new Set<Watcher>();
  private isWoken = false;

  constructor(history: History) {
    this.history = history;
  }

  watch(options: WatchOptions, version: number, onEvents: (events: StoreEvent[]) => void): Watch {
    const watcher = { cursor: options.fromVersion ?? version, options, onEvents };
    this.history.since(watcher.cursor);
    this.watchers.add(watcher);
    if (watcher.cursor < version) this.wake();
    return { close: () => void this.watchers.delete(watcher) };
  }

  wake(): void {
    if (this.isWoken) return;
    this.isWoken = true;
    queueMicrotask(() => this.flush());
  }

  private flush(): void {
    this.isWoken = false;
    for (const watcher of Array.from(this.watchers)) {
      const news = this.history.since(watcher.cursor);
      const last = news.at(-1);
      if (last === undefined) continue;
      watcher.cursor = last.version;
      const wanted = news.filter((event) => isWanted(event, watcher.options));
      if (wanted.length > 0 && this.watchers.has(watcher)) deliver(watcher, wanted);
    }
    this.history.trim();
  }
}

/** A watcher that throws is a fault of ours: it surfaces as an uncaught error, and the others still get their events. */
function deliver(watcher: Watcher, events: StoreEvent[]): void {
  try {
    watcher.onEvents(events);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

function isWanted(event: StoreEvent, { kinds, namespace }: WatchOptions): boolean {
  return (
    (kinds === undefined || kinds.includes(event.key)) &&
    (namespace === undefined || event.object.metadata.namespace === namespace)
  );
}
