import { isPodReady, isPodTerminal } from "../../kube/pods.ts";
import type { ControllerRevision, StatefulSet } from "../../kube/set-types.ts";
import type { Pod } from "../../kube/types.ts";
import type { ObjectStore } from "../store/store.ts";
import { keyOf, splitKey, type Controller, type ControllerContext } from "./controller.ts";
import { availableInMs, claimPods, deletePod, isActive, ownersConcerned } from "./owned-pods.ts";
import { forgetRevisions, newestRevision, revisionsOf } from "./revisions.ts";
import { newStatefulPod, ordinalOf, ordinalsOf, podRevision } from "./stateful-pod.ts";

/** What one look at a set goes by. */
interface View {
  set: StatefulSet;
  /** Pods by their number, those of no replica included. */
  pods: Map<number, Pod>;
  current: ControllerRevision;
  update: ControllerRevision;
  isAvailable(pod: Pod): boolean;
}

/**
 * Keeps the pods NAME-0, NAME-1, … of a StatefulSet, each under its name for ever: made in order, each when those before
 * it are available, and taken in reverse (pkg/controller/statefulset/stateful_set_control.go). With podManagementPolicy
 * Parallel nothing waits for a neighbour but a rolling update.
 */
export const statefulSetController: Controller = {
  name: "statefulset",
  kinds: ["StatefulSet", "Pod"],
  *keysOf(event, store) {
    if (event.key === "StatefulSet") yield keyOf(event.object);
    else yield* ownersConcerned(event, store, "StatefulSet");
  },
  reconcile(key, context) {
    const { namespace, name } = splitKey(key);
    const set = context.store.get("StatefulSet", name, namespace);
    if (set === undefined) return;
    const view = viewOf(context, key, set);
    if (set.metadata.deletionTimestamp === undefined) {
      bringToSpec(context.store, view);
      forgetRevisions(
        context.store,
        set,
        new Set([view.current.metadata.name, view.update.metadata.name, ...[...view.pods.values()].map(podRevision)]),
      );
    }
    updateStatus(context.store, viewOf(context, key, set));
  },
};

function viewOf(context: ControllerContext, key: string, set: StatefulSet): View {
  const { store, clock } = context;
  const isNamedSo = (pod: Pod): boolean => ordinalOf(set, pod) !== undefined;
  const owned = claimPods(store, set, isNamedSo).filter(isNamedSo);
  const update = newestRevision(store, set);
  const currentName = set.status?.currentRevision;
  const current = revisionsOf(store, set).find(({ metadata }) => metadata.name === currentName) ?? update;
  return {
    set,
    pods: new Map(owned.map((pod) => [ordinalOf(set, pod) ?? 0, pod])),
    current,
    update,
    isAvailable(pod) {
      const waitMs = availableInMs(pod, set.spec.minReadySeconds, clock.nowMs());
      if (waitMs !== undefined && waitMs > 0) context.requeueAfter(key, waitMs);
      return waitMs === 0;
    },
  };
}

/** One pass over the replicas, those that are too many, and what is out of date; it ends where something must be awaited. */
function bringToSpec(store: ObjectStore, view: View): void {
  if (makeReplicas(store, view) && takeSurplus(store, view)) replaceOutdated(store, view);
}

/** Whether every replica is there and, where order counts, available. */
function makeReplicas(store: ObjectStore, { set, pods, current, update, isAvailable }: View): boolean {
  const isOrdered = set.spec.podManagementPolicy !== "Parallel";
  for (const ordinal of ordinalsOf(set)) {
    const pod = pods.get(ordinal);
    // One that has ended is made anew under its name, once it is gone.
    if (pod !== undefined && isPodTerminal(pod) && pod.metadata.deletionTimestamp === undefined) deletePod(store, pod);
    const isGone = pod === undefined || store.get("Pod", pod.metadata.name, pod.metadata.namespace) === undefined;
    if (isGone) store.create(newStatefulPod(set, ordinal, isOfCurrent(set, ordinal) ? current : update));
    if (isOrdered && (isGone || !isActive(pod) || !isAvailable(pod))) return false;
  }
  return true;
}

/** Replicas below the partition stay with the revision that was complete last, also when they are made anew. */
function isOfCurrent(set: StatefulSet, ordinal: number): boolean {
  const { type, rollingUpdate } = set.spec.updateStrategy ?? {};
  if (type === "OnDelete") return false;
  return ordinal < (set.spec.ordinals?.start ?? 0) + (rollingUpdate?.partition ?? 0);
}

/** Takes pods that are no replicas, the highest first, and one at a time where order counts. */
function takeSurplus(store: ObjectStore, { set, pods }: View): boolean {
  const wanted = new Set(ordinalsOf(set));
  const isOrdered = set.spec.podManagementPolicy !== "Parallel";
  const surplus = [...pods].filter(([ordinal]) => !wanted.has(ordinal)).toSorted(([left], [right]) => right - left);
  for (const [, pod] of surplus) {
    if (pod.metadata.deletionTimestamp === undefined) deletePod(store, pod);
    if (isOrdered) return false;
  }
  return true;
}

/** The update of one pod after another, from the highest number down to the partition; each waits for the one before. */
function replaceOutdated(store: ObjectStore, { set, pods, update, isAvailable }: View): void {
  const { type, rollingUpdate } = set.spec.updateStrategy ?? {};
  if (type === "OnDelete") return;
  const first = (set.spec.ordinals?.start ?? 0) + (rollingUpdate?.partition ?? 0);
  for (const ordinal of ordinalsOf(set).toReversed()) {
    if (ordinal < first) return;
    const pod = pods.get(ordinal);
    if (pod === undefined) return;
    if (podRevision(pod) !== update.metadata.name && pod.metadata.deletionTimestamp === undefined) {
      deletePod(store, pod);
      return;
    }
    if (!isActive(pod) || !isAvailable(pod)) return;
  }
}

function updateStatus(store: ObjectStore, { set, pods, current, update, isAvailable }: View): void {
  const stored = store.get("StatefulSet", set.metadata.name, set.metadata.namespace);
  if (stored === undefined || stored.metadata.uid !== set.metadata.uid) return;
  const active = [...pods.values()].filter(isActive);
  const ready = active.filter(isPodReady);
  const updatedReplicas = active.filter((pod) => podRevision(pod) === update.metadata.name).length;
  const isComplete =
    set.spec.updateStrategy?.type !== "OnDelete" && updatedReplicas === pods.size && ready.length === pods.size;
  const currentRevision = isComplete ? update : current;
  store.updateStatus({
    ...stored,
    status: {
      observedGeneration: set.metadata.generation ?? 1,
      replicas: pods.size,
      readyReplicas: ready.length,
      availableReplicas: active.filter(isAvailable).length,
      currentReplicas: active.filter((pod) => podRevision(pod) === currentRevision.metadata.name).length,
      updatedReplicas,
      currentRevision: currentRevision.metadata.name,
      updateRevision: update.metadata.name,
    },
  });
}
