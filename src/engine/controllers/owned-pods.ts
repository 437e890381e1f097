import { isPodReady, isPodTerminal } from "../../kube/pods.ts";
import { matchesSelector } from "../../kube/selectors.ts";
import type { KubeObject, LabelSelector, OwnerReference, Pod } from "../../kube/types.ts";
import type { StoreEvent } from "../store/history.ts";
import type { ObjectStore } from "../store/store.ts";
import { conditionOf } from "./conditions.ts";
import { controlledBy, controllerKeyOf, keyOf } from "./controller.ts";

/** A workload that owns pods directly. */
export type PodOwner = KubeObject & { spec: { selector: LabelSelector } };

/** Whether some controller owns the pod. */
export function hasController(pod: Pod): boolean {
  return pod.metadata.ownerReferences?.some(({ controller }) => controller === true) === true;
}

/** Whether the pod counts: neither ended nor on its way out. */
export function isActive(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp === undefined && !isPodTerminal(pod);
}

/** What a pod's metadata says of the owner that controls it. */
export function ownerReference({ apiVersion, kind, metadata }: KubeObject): OwnerReference {
  const { name, uid = "" } = metadata;
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
}

/** Keys of the owners of one kind that a pod's change concerns: its own, or those that could adopt it. */
export function* ownersConcerned(
  event: StoreEvent,
  store: ObjectStore,
  kind: "ReplicaSet" | "StatefulSet" | "DaemonSet",
): Iterable<string> {
  const owner = controllerKeyOf(event.object, kind);
  if (owner !== undefined) yield owner;
  else if (event.type !== "DELETED" && !hasController(event.object as Pod)) {
    const { namespace, labels } = event.object.metadata;
    for (const set of store.list(kind, namespace)) if (matchesSelector(set.spec.selector, labels)) yield keyOf(set);
  }
}

/**
 * All pods of the owner, ended ones included, after it took orphans that match and let go of its own that no longer do;
 * `isFitting` narrows what may be taken (controller_ref_manager.go).
 */
export function claimPods(store: ObjectStore, owner: PodOwner, isFitting: (pod: Pod) => boolean = () => true): Pod[] {
  const claimed: Pod[] = [];
  const { selector } = owner.spec;
  for (const pod of controlledBy<Pod>(store, owner.metadata.uid, "Pod")) {
    if (matchesSelector(selector, pod.metadata.labels)) claimed.push(pod);
    else setOwners(store, pod, (owners) => owners.filter(({ uid }) => uid !== owner.metadata.uid));
  }
  for (const pod of store.list("Pod", owner.metadata.namespace)) {
    if (hasController(pod) || !isActive(pod) || !matchesSelector(selector, pod.metadata.labels) || !isFitting(pod))
      continue;
    claimed.push(setOwners(store, pod, (owners) => [...owners, ownerReference(owner)]));
  }
  return claimed;
}

function setOwners(store: ObjectStore, pod: Pod, change: (owners: OwnerReference[]) => OwnerReference[]): Pod {
  const { metadata } = pod;
  return store.update({ ...pod, metadata: { ...metadata, ownerReferences: change(metadata.ownerReferences ?? []) } });
}

/** Deletes the pod, as its owner. */
export function deletePod(store: ObjectStore, { metadata }: Pod): void {
  store.delete({ kind: "Pod", namespace: metadata.namespace ?? "", name: metadata.name });
}

/** How long until a ready pod has been so for minReadySeconds; 0 where it has, undefined where it is not ready. */
export function availableInMs(pod: Pod, minReadySeconds: unknown, nowMs: number): number | undefined {
  if (!isPodReady(pod)) return undefined;
  const since = Date.parse(conditionOf(pod.status?.conditions, "Ready")?.lastTransitionTime ?? "") || 0;
  return Math.max(0, Number(minReadySeconds ?? 0) * 1000 - (nowMs - since));
}
