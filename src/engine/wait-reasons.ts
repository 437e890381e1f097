import { isRecord } from "../core/is-record.ts";
import { isPodReady } from "../kube/pods.ts";
import { rolloutGap } from "../kube/rollout.ts";
import { matchesSelector } from "../kube/selectors.ts";
import type { Deployment, KubeObject, Pod } from "../kube/types.ts";
import { conditionOf } from "./controllers/conditions.ts";
import type { ObjectStore } from "./store/store.ts";

/** How many pods are named before the rest is only counted. */
const NAMED_PODS = 3;

/** What a Deployment lacks: how many replicas, and why its pods are not ready. */
export function deploymentGap(store: ObjectStore, object: KubeObject): string {
  const { spec, status } = object as Deployment;
  return withPods(store, object, `${status?.availableReplicas ?? 0} of ${spec.replicas ?? 1} replicas available`);
}

/** What a rollout still lacks, with the pods that are not ready; undefined when it lacks nothing. */
export function rolledOutGap(store: ObjectStore, object: KubeObject): string | undefined {
  const gap = rolloutGap(object);
  return gap === undefined ? undefined : withPods(store, object, gap);
}

function withPods(store: ObjectStore, object: KubeObject, counts: string): string {
  const { spec, metadata } = object as Deployment;
  const unready = store
    .list("Pod", metadata.namespace)
    .filter((pod) => matchesSelector(spec.selector, pod.metadata.labels) && !isPodReady(pod));
  const named = unready.slice(0, NAMED_PODS).map((pod) => `pod ${pod.metadata.name}: ${podGap(pod)}`);
  const more = unready.length > NAMED_PODS ? [`and ${unready.length - NAMED_PODS} more pods`] : [];
  return [counts, ...named, ...more].join("; ");
}

/** Why a pod is not ready, from the most telling part of its status. */
export function podGap(pod: Pod): string {
  if (pod.metadata.deletionTimestamp !== undefined) return "is being deleted";
  const scheduled = conditionOf(pod.status?.conditions, "PodScheduled");
  if (scheduled?.status === "False") return `${scheduled.reason ?? "Unschedulable"}: ${scheduled.message ?? ""}`;
  for (const container of pod.status?.containerStatuses ?? []) {
    const waiting = container.state["waiting"];
    if (isRecord(waiting))
      return `${String(waiting["reason"])}: container ${container.name}: ${String(waiting["message"] ?? "")}`;
    const terminated = container.state["terminated"];
    if (isRecord(terminated))
      return `container ${container.name} ended: ${String(terminated["message"] ?? terminated["reason"])}`;
  }
  const ready = conditionOf(pod.status?.conditions, "Ready");
  return ready?.message ?? `phase ${pod.status?.phase ?? "Pending"}`;
}
