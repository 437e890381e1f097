import { isPodReady, isPodTerminal } from "../../kube/pods.ts";
import { matchesSelector } from "../../kube/selectors.ts";
import type { Pod, ReplicaSet } from "../../kube/types.ts";
import { cloneJson } from "../store/json.ts";
import type { ObjectStore } from "../store/store.ts";
import { conditionOf } from "./conditions.ts";
import {
  controlledBy,
  controllerKeyOf,
  keyOf,
  splitKey,
  type Controller,
  type ControllerContext,
} from "./controller.ts";

/** Keeps as many pods as a ReplicaSet wants, adopting orphans its selector matches. */
export const replicaSetController: Controller = {
  name: "replicaset",
  kinds: ["ReplicaSet", "Pod"],
  *keysOf(event, store) {
    if (event.key === "ReplicaSet") {
      yield keyOf(event.object);
      return;
    }
    const owner = controllerKeyOf(event.object, "ReplicaSet");
    if (owner !== undefined) yield owner;
    else if (event.type !== "DELETED" && !hasController(event.object as Pod)) {
      const { namespace, labels } = event.object.metadata;
      for (const set of store.list("ReplicaSet", namespace))
        if (matchesSelector(set.spec.selector, labels)) yield keyOf(set);
    }
  },
  reconcile(key, context) {
    const { namespace, name } = splitKey(key);
    const set = context.store.get("ReplicaSet", name, namespace);
    if (set === undefined) return;
    if (set.metadata.deletionTimestamp === undefined) scale(context.store, set, claimPods(context.store, set));
    updateStatus(context, key, set);
  },
};

function hasController(pod: Pod): boolean {
  return pod.metadata.ownerReferences?.some(({ controller }) => controller === true) === true;
}

function isActive(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp === undefined && !isPodTerminal(pod);
}

/** The set's active pods, after taking orphans that match and letting go of its own that no longer do. */
function claimPods(store: ObjectStore, set: ReplicaSet): Pod[] {
  const claimed: Pod[] = [];
  for (const pod of controlledBy<Pod>(store, set.metadata.uid, "Pod")) {
    if (matchesSelector(set.spec.selector, pod.metadata.labels)) claimed.push(pod);
    else
      store.update({
        ...pod,
        metadata: {
          ...pod.metadata,
          ownerReferences: (pod.metadata.ownerReferences ?? []).filter(({ uid }) => uid !== set.metadata.uid),
        },
      });
  }
  for (const pod of store.list("Pod", set.metadata.namespace)) {
    if (hasController(pod) || !isActive(pod) || !matchesSelector(set.spec.selector, pod.metadata.labels)) continue;
    claimed.push(
      store.update({
        ...pod,
        metadata: { ...pod.metadata, ownerReferences: [...(pod.metadata.ownerReferences ?? []), ownerReference(set)] },
      }),
    );
  }
  return claimed.filter(isActive);
}

function ownerReference(set: ReplicaSet): NonNullable<Pod["metadata"]["ownerReferences"]>[number] {
  return {
    apiVersion: set.apiVersion,
    kind: set.kind,
    name: set.metadata.name,
    uid: set.metadata.uid ?? "",
    controller: true,
  };
}

function scale(store: ObjectStore, set: ReplicaSet, pods: readonly Pod[]): void {
  const wanted = set.spec.replicas ?? 1;
  for (let count = pods.length; count < wanted; count += 1) store.create(newPod(set));
  const surplus = pods.length - wanted;
  if (surplus <= 0) return;
  for (const pod of pods.toSorted(byCostOfDeletion).slice(0, surplus)) {
    store.delete({ kind: "Pod", namespace: pod.metadata.namespace ?? "", name: pod.metadata.name });
  }
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
  const minReadyMs = Number((set.spec as Record<string, unknown>)["minReadySeconds"] ?? 0) * 1000;
  const waits = ready
    .map((pod) => minReadyMs - (clock.nowMs() - readySinceMs(pod)))
    .filter((waitMs) => minReadyMs > 0 && waitMs > 0);
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

function readySinceMs(pod: Pod): number {
  return Date.parse(conditionOf(pod.status?.conditions, "Ready")?.lastTransitionTime ?? "") || 0;
}
