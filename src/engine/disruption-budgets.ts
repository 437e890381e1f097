import { disruptionsOf, type Disruptions, type PodDisruptionBudget } from "../kube/disruption.ts";
import { matchesSelector } from "../kube/selectors.ts";
import type { KubeObject, OwnerReference, Pod } from "../kube/types.ts";
import type { ObjectStore } from "./store/store.ts";

/** The budgets of a pod's namespace whose selector means it; one without a selector means no pod, an empty one all. */
export function budgetsOf(store: ObjectStore, { metadata }: Pod): PodDisruptionBudget[] {
  const budgets = store.all({ kind: "PodDisruptionBudget", namespace: metadata.namespace ?? "" });
  return (budgets as PodDisruptionBudget[]).filter((budget) => isMeant(budget, metadata));
}

/** What a budget allows of the pods that are there now. */
export function currentDisruptions(store: ObjectStore, budget: PodDisruptionBudget): Disruptions {
  const pods = store.list("Pod", budget.metadata.namespace).filter(({ metadata }) => isMeant(budget, metadata));
  const scaled = new Map<string, number>();
  for (const pod of pods) {
    const workload = topControllerOf(store, pod);
    if (workload !== undefined) scaled.set(workload.metadata.uid ?? "", replicasOf(workload));
  }
  const expected = [...scaled.values()].reduce((sum, replicas) => sum + replicas, 0);
  return disruptionsOf(budget, pods, expected);
}

function isMeant({ spec }: PodDisruptionBudget, { labels }: KubeObject["metadata"]): boolean {
  return spec?.selector !== undefined && matchesSelector(spec.selector, labels);
}

/** The workload that a pod is of: its Deployment rather than the ReplicaSet between. */
function topControllerOf(store: ObjectStore, pod: Pod): KubeObject | undefined {
  const set = controllerOf(store, pod);
  return set?.kind === "ReplicaSet" ? (controllerOf(store, set) ?? set) : set;
}

function controllerOf(store: ObjectStore, { metadata }: KubeObject): KubeObject | undefined {
  const owner = metadata.ownerReferences?.find(({ controller }: OwnerReference) => controller === true);
  if (owner === undefined) return undefined;
  return store.find({ kind: store.keyOf(owner), namespace: metadata.namespace ?? "", name: owner.name });
}

/** A DaemonSet has no scale: budgets in percentages know nothing of its pods. */
function replicasOf({ spec }: KubeObject): number {
  return Number((spec as { replicas?: number } | undefined)?.replicas ?? 0);
}
