import type { DaemonSet, StatefulSet } from "./set-types.ts";
import type { Deployment, KubeObject } from "./types.ts";

/**
 * What a Deployment, StatefulSet or DaemonSet has still to do until all its pods are there, updated and ready, in a sentence, or
 * undefined when nothing is left; what `kubectl rollout status` asks (kubectl pkg/polymorphichelpers/rollout_status.go). A partition's
 * pods and those of OnDelete need not be updated. Other kinds have nothing to roll out.
 */
export function rolloutGap(object: KubeObject): string | undefined {
  const { status, metadata } = object as Deployment | StatefulSet | DaemonSet;
  if (status === undefined || (status.observedGeneration ?? 0) < (metadata.generation ?? 0))
    return "its controller has not seen it yet";
  if (object.kind === "Deployment") return deploymentGap(object as Deployment);
  return object.kind === "StatefulSet" ? statefulSetGap(object as StatefulSet) : daemonSetGap(object as DaemonSet);
}

function deploymentGap({ spec, status }: Deployment): string | undefined {
  const { replicas = 1 } = spec;
  const { updatedReplicas = 0, replicas: all = 0, availableReplicas = 0 } = status ?? {};
  if (updatedReplicas < replicas) return `${updatedReplicas} of ${replicas} pods updated`;
  if (all > updatedReplicas) return `${all - updatedReplicas} old pods are still there`;
  return availableReplicas < updatedReplicas
    ? `${availableReplicas} of ${updatedReplicas} updated pods available`
    : undefined;
}

/** Whether readiness of the object is a matter of {@link rolloutGap}: neither kind has conditions. */
export function isSetOfPods(object: KubeObject): object is StatefulSet | DaemonSet {
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
