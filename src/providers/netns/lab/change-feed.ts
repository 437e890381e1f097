import { LabError } from "../../../core/errors.ts";
import type { StoreEvent } from "../../../engine/store/history.ts";
import { equalJson } from "../../../engine/store/json.ts";
import type { ObjectStore } from "../../../engine/store/store.ts";
import type { KubeObject } from "../../../kube/types.ts";
import type { ClusterChanges } from "../../changes.ts";

/** Where a reader of the feed stands. */
export interface FeedPoint {
  version: number;
  /** Of what was done by hand: how much has been told. */
  byHand: number;
}

/** Objects that no probe can see, and that come with every other change. */
const UNSEEN = new Set(["Event"]);

/** What changes in the lab, for whoever asks: objects from the store's history, and what people did otherwise. */
export class ChangeFeed {
  private readonly store: ObjectStore;
  private readonly byHand: string[] = [];
  private readonly ongoing = new Map<symbol, string>();
  private readonly waiting = new Set<() => void>();

  constructor(store: ObjectStore) {
    this.store = store;
    store.watch({}, (events) => {
      if (events.some(isSeen)) this.wake();
    });
  }

  /** Something was done that no object shows, one phrase: "a command in shop/web". */
  tell(what: string): void {
    this.byHand.push(what);
    this.wake();
  }

  /** Something goes on that no object shows: "a terminal in shop/web"; what it changed is told when it has ended. */
  begin(what: string): { end(): void } {
    const id = Symbol(what);
    this.ongoing.set(id, what);
    this.tell(`${what} was opened`);
    return {
      end: () => {
        if (this.ongoing.delete(id)) this.tell(`${what} has ended`);
      },
    };
  }

  /** What changed since that point, now or, with `isPatient`, as soon as anything did. Rejects when the signal is aborted. */
  async since(point: FeedPoint | undefined, isPatient: boolean, signal: AbortSignal): Promise<ClusterChanges> {
    while (isPatient && point !== undefined && !this.isBehind(point)) await this.next(signal);
    return {
      ...this.objectsSince(point?.version),
      byHand: this.byHand.slice(point?.byHand ?? this.byHand.length),
      ongoing: [...this.ongoing.values()],
    };
  }

  private isBehind({ version, byHand }: FeedPoint): boolean {
    return byHand < this.byHand.length || (this.eventsSince(version)?.some(isSeen) ?? true);
  }

  private eventsSince(version: number): StoreEvent[] | undefined {
    try {
      return this.store.eventsSince(version);
    } catch (error) {
      if (error instanceof LabError && error.code === "STORE_TOO_OLD") return undefined;
      throw error;
    }
  }

  private objectsSince(version: number | undefined): Omit<ClusterChanges, "byHand" | "ongoing"> {
    const point: FeedPoint = { version: this.store.version, byHand: this.byHand.length };
    const events = version === undefined ? undefined : this.eventsSince(version);
    if (events === undefined) {
      const objects = this.store.all().filter(({ kind }) => !UNSEEN.has(kind));
      return { point, isWhole: true, objects, deleted: [] };
    }
    const latest = new Map<string, StoreEvent>();
    for (const event of events) if (isSeen(event)) latest.set(event.object.metadata.uid ?? "", event);
    const changed: KubeObject[] = [];
    const deleted: string[] = [];
    for (const [uid, { type, object }] of latest) {
      if (type === "DELETED") deleted.push(uid);
      else changed.push(object);
    }
    return { point, isWhole: false, objects: changed, deleted };
  }

  private wake(): void {
    for (const wake of this.waiting) wake();
  }

  private async next(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    let wake = (): void => undefined;
    let onAbort = (): void => undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        wake = resolve;
        onAbort = () => reject(signal.reason as Error);
        this.waiting.add(wake);
        signal.addEventListener("abort", onAbort, { once: true });
      });
    } finally {
      this.waiting.delete(wake);
      signal.removeEventListener("abort", onAbort);
    }
  }
}

function isSeen({ type, key, object, previous }: StoreEvent): boolean {
  if (UNSEEN.has(object.kind)) return false;
  // Its figures move as long as there is load; what it does is a change of its target.
  const isOfFigures = type === "MODIFIED" && key === "HorizontalPodAutoscaler";
  return !(isOfFigures && equalJson(object["spec"], previous?.["spec"]));
}
