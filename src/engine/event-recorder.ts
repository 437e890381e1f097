import type { KubeObject } from "../kube/types.ts";
import { apiTime, type Clock } from "./clock.ts";
import { fnv1a } from "./seeded-random.ts";
import type { ObjectStore } from "./store/store.ts";

/** How the API sorts events: what is as it should be, and what is not. */
export type EventType = "Normal" | "Warning";

/** Oldest events beyond this many are dropped; a loop that fails for hours must not fill the memory. */
export const MOST_EVENTS = 1000;

/** Writes a v1 Event about an object, or counts one up that says the same; what `kubectl get events` shows. */
export function recordEvent(
  store: ObjectStore,
  clock: Clock,
  about: { kind: string; namespace?: string; name: string },
  reason: string,
  message: string,
  type: EventType = "Warning",
): void {
  const namespace = about.namespace === undefined || about.namespace === "" ? "default" : about.namespace;
  const home = store.get("Namespace", namespace);
  // No event can be written where nothing can be created; the namespace is on its way out with all it holds.
  if (home === undefined || home.metadata.deletionTimestamp !== undefined) return;
  const object = store.find(about);
  const { uid } = object?.metadata ?? {};
  // What happened to one that had the name before is another event.
  const name = `${about.name}.${fnv1a(`${about.kind} ${uid ?? ""} ${reason} ${message}`)
    .toString(16)
    .padStart(8, "0")}`;
  const now = apiTime(clock.nowMs());
  const present = store.find({ kind: "Event", namespace, name });
  if (present !== undefined) {
    store.update({ ...present, count: Number(present["count"] ?? 1) + 1, lastTimestamp: now });
    return;
  }
  const oldest = store.all({ kind: "Event" });
  for (const { metadata } of oldest.slice(0, Math.max(0, oldest.length - MOST_EVENTS + 1)))
    store.delete({ kind: "Event", namespace: metadata.namespace ?? "", name: metadata.name });
  const event: KubeObject = {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name, namespace },
    involvedObject: {
      ...about,
      ...(object === undefined ? {} : { apiVersion: object.apiVersion }),
      ...(uid === undefined ? {} : { uid }),
    },
    type,
    reason,
    message,
    count: 1,
    firstTimestamp: now,
    lastTimestamp: now,
  };
  store.create(event);
}
