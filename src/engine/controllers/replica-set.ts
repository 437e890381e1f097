import { isPodReady } from "../../kube/pods.ts";
import type { Pod, ReplicaSet } from "../../kube/types.ts";
import { cloneJson } from "../store/json.ts";
import type { ObjectStore } from "../store/store.ts";
import { controlledBy, keyOf, splitKey, type Controller, type ControllerContext } from "./controller.ts";
import { availableInMs, claimPods, deletePod, isActive, ownerReference, ownersConcerned } from "./owned-pods.ts";

/** Keeps as many pods as a ReplicaSet wants, adopting orphans its selector matches. */
export const replicaSetController: Controller = {
  name: "replicaset",
  kinds: ["ReplicaSet", "Pod"],
  *keysOf(event, store) {
    if (event.key === "ReplicaSet") {
      yield keyOf(event.object);
      return;
    }
    yield* ownersConcerned(event, store, "ReplicaSet");
  },
  reconcile(key, context) {
    const { namespace, name } = splitKey(key);
    const set = context.store.get("ReplicaSet", name, namespace);
    if (set === undefined) return;
    if (set.metadata.deletionTimestamp === undefined)
      scale(context.store, set, claimPods(context.store, set).filter(isActive));
    updateStatus(context, key, set);
  },
};

function scale(store: ObjectStore, set: ReplicaSet, pods: readonly Pod[]): void {
  const wanted = set.spec.replicas ?? 1;
  for (let count = pods.length; count < wanted; count += 1) store.create(newPod(set));
  const surplus = pods.length - wanted;
  if (surplus <= 0) return;
  for (const pod of pods.toSorted(byCostOfDeletion).slice(0, surplus)) deletePod(store, pod);
}

function newPod(set: ReplicaSet): Pod {
  const { template } = set.spec;
  const { name: _name, namespace: _namespace, ...metadata } = template.metadata ?? {};
  const namespace = set.metadata.namespace ?? "default";
  // The API server turns generateName into a name; the draft has none yet.
  const named = {
    ...cloneJson(metadata),
    generateName: `${set.metadata.name}-`,
    namespace,
    ownerReferences: [ownerReference(set)],
  } as Pod["metadata"];
  return { apiVersion: "v1", kind: "Pod", metadata: named, spec: cloneJson(template.spec) };
}

/** Those first whose loss costs least: without a node, pending, not ready, then the newest (controller_utils ActivePods). */
function byCostOfDeletion(left: Pod, right: Pod): number {
  const rank = (pod: Pod): number =>
    pod.spec.nodeName === undefined ? 0 : pod.status?.phase !== "Running" ? 1 : isPodReady(pod) ? 3 : 2;
  return rank(left) - rank(right) || Number(right.metadata.resourceVersion) - Number(left.metadata.resourceVersion);
}

function updateStatus(context: ControllerContext, key: string, set: ReplicaSet): void {
  const { store, clock } = context;
  const pods = controlledBy<Pod>(store, set.metadata.uid, "Pod").filter(isActive);
  const ready = pods.filter(isPodReady);
  const { minReadySeconds } = set.spec as Record<string, unknown>;
  const waits = ready.flatMap((pod) => availableInMs(pod, minReadySeconds, clock.nowMs()) || []);
  if (waits.length > 0) context.requeueAfter(key, Math.min(...waits));
  const current = store.get("ReplicaSet", set.metadata.name, set.metadata.namespace);
  if (current === undefined || current.metadata.uid !== set.metadata.uid) return;
  store.updateStatus({
    ...current,
    status: {
      replicas: pods.length,
      fullyLabeledReplicas: pods.length,
      readyReplicas: ready.length,
      availableReplicas: ready.length - waits.length,
      observedGeneration: current.metadata.generation ?? 1,
    },
  });
}
