import type { KubeObject } from "../../kube/types.ts";
import type { Clock } from "../clock.ts";
import type { StoreEvent } from "../store/history.ts";
import type { ObjectStore } from "../store/store.ts";
import { WorkQueue, type FailingKey } from "../work-queue.ts";

/** What a controller is given: where it reads and writes. */
export interface ControllerContext {
  store: ObjectStore;
  clock: Clock;
  /** Reconciles the key again after a delay; for what becomes true by time alone. */
  requeueAfter(key: string, delayMs: number): void;
}

/** A control loop: which keys a change concerns, and how one key is brought to what is wanted. */
export interface Controller {
  name: string;
  /** Kinds it watches; absent: all. */
  kinds?: readonly string[];
  /** Keys to reconcile after this change. At start it is asked about every object, as ADDED. */
  keysOf(event: StoreEvent, store: ObjectStore): Iterable<string>;
  /** Level-triggered: looks at the store as it is, not at what changed. Throwing means trying again later. */
  reconcile(key: string, context: ControllerContext): void | Promise<void>;
}

/** Running controllers. */
export interface ControllerSet {
  isIdle(): boolean;
  idle(): Promise<void>;
  failing(): { controller: string; key: string; failing: FailingKey }[];
  /** Tries every failing key again now, instead of when its delay is over. */
  retryFailing(): void;
  close(): void;
}

/** Starts controllers on one watch of the store, each with its own queue. */
export function runControllers(
  controllers: readonly Controller[],
  options: {
    store: ObjectStore;
    clock: Clock;
    onError: (controller: string, key: string, failing: FailingKey) => void;
  },
): ControllerSet {
  const { store, clock } = options;
  const running = controllers.map((controller) => {
    const queue: WorkQueue = new WorkQueue({
      clock,
      reconcile: (key) =>
        controller.reconcile(key, { store, clock, requeueAfter: (again, delayMs) => queue.addAfter(again, delayMs) }),
      onError: (key, failing) => options.onError(controller.name, key, failing),
    });
    return { controller, kinds: controller.kinds === undefined ? undefined : new Set(controller.kinds), queue };
  });
  const dispatch = (events: readonly StoreEvent[]): void => {
    for (const event of events) {
      for (const { controller, kinds, queue } of running) {
        if (kinds !== undefined && !kinds.has(event.key)) continue;
        for (const key of controller.keysOf(event, store)) queue.add(key);
      }
    }
  };
  const watch = store.watch({ fromVersion: store.version }, dispatch);
  dispatch(existing(store));
  return {
    isIdle: () => running.every(({ queue }) => queue.isIdle),
    idle: async () => {
      await Promise.all(running.map(({ queue }) => queue.idle()));
    },
    failing: () =>
      running.flatMap(({ controller, queue }) =>
        [...queue.failing].map(([key, failing]) => ({ controller: controller.name, key, failing })),
      ),
    retryFailing() {
      for (const { queue } of running) for (const key of queue.failing.keys()) queue.add(key);
    },
    close() {
      watch.close();
      for (const { queue } of running) queue.close();
    },
  };
}

function existing(store: ObjectStore): StoreEvent[] {
  return store
    .snapshot()
    .map(({ key, object }) => ({ type: "ADDED", key, object, version: Number(object.metadata.resourceVersion) }));
}

/** `namespace/name`, the key most controllers use. */
export function keyOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
}

/** Takes a {@link keyOf} apart. */
export function splitKey(key: string): { namespace: string; name: string } {
  const slash = key.indexOf("/");
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** The key of an object's controlling owner of one kind, or nothing. */
export function controllerKeyOf(object: KubeObject, kind: string): string | undefined {
  const owner = object.metadata.ownerReferences?.find(
    (reference) => reference.controller === true && reference.kind === kind,
  );
  return owner === undefined ? undefined : `${object.metadata.namespace ?? ""}/${owner.name}`;
}

/** Dependents of `uid` that are of one kind and controlled by it. */
export function controlledBy<T extends KubeObject>(store: ObjectStore, uid: string | undefined, kind: T["kind"]): T[] {
  if (uid === undefined) return [];
  const isControlled = (object: KubeObject): object is T =>
    object.kind === kind &&
    object.metadata.ownerReferences?.some((owner) => owner.uid === uid && owner.controller === true) === true;
  return store.dependents(uid).filter(isControlled);
}
