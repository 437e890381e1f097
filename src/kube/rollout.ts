import type { DaemonSet, StatefulSet } from "./set-types.ts";
import type { KubeObject } from "./types.ts";

/**
 * What a StatefulSet or DaemonSet has still to do until all its pods are there, updated and ready, in a sentence, or
 * undefined when nothing is left; what `kubectl rollout status` asks, since neither kind has conditions
 * (kubectl pkg/polymorphichelpers/rollout_status.go). A partition's pods and those of OnDelete need not be updated.
 */
export function rolloutGap(object: StatefulSet | DaemonSet): string | undefined {
  const { status, metadata } = object;
  if (status === undefined || (status.observedGeneration ?? 0) < (metadata.generation ?? 0))
    return "its controller has not seen it yet";
  return object.kind === "StatefulSet" ? statefulSetGap(object) : daemonSetGap(object);
}

/** Whether readiness of the object is a matter of {@link rolloutGap}. */
export function isRolledOut(object: KubeObject): object is StatefulSet | DaemonSet {
  return object.apiVersion === "apps/v1" && (object.kind === "StatefulSet" || object.kind === "DaemonSet");
}

function statefulSetGap({ spec, status }: StatefulSet): string | undefined {
  const { replicas = 1, updateStrategy } = spec;
  const ready = status?.readyReplicas ?? 0;
  if (status?.replicas !== replicas || ready !== replicas) return `${ready} of ${replicas} pods ready`;
  if (updateStrategy?.type === "OnDelete" || status.currentRevision === status.updateRevision) return undefined;
  const wanted = replicas - Math.min(replicas, updateStrategy?.rollingUpdate?.partition ?? 0);
  const updated = status.updatedReplicas ?? 0;
  return updated < wanted ? `${updated} of ${wanted} pods updated` : undefined;
}

function daemonSetGap({ spec, status }: DaemonSet): string | undefined {
  const wanted = status?.desiredNumberScheduled ?? 0;
  const available = status?.numberAvailable ?? 0;
  const updated = status?.updatedNumberScheduled ?? 0;
  if (spec.updateStrategy?.type !== "OnDelete" && updated < wanted) return `${updated} of ${wanted} pods updated`;
  return available < wanted ? `${available} of ${wanted} pods available` : undefined;
}
