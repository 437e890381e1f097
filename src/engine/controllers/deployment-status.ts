import type { Deployment, PodCondition, ReplicaSet } from "../../kube/types.ts";
import { withCondition } from "./conditions.ts";
import { rollingLimits } from "./rolling-update.ts";

/** A Deployment's status from its ReplicaSets; conditions as deployment/sync.go sets them. */
export function deploymentStatus(
  deployment: Deployment,
  next: ReplicaSet | undefined,
  sets: readonly ReplicaSet[],
  now: string,
): NonNullable<Deployment["status"]> {
  const sum = (of: (status: NonNullable<ReplicaSet["status"]>) => number | undefined): number =>
    sets.reduce((total, { status }) => total + (status === undefined ? 0 : (of(status) ?? 0)), 0);
  const wanted = deployment.spec.replicas ?? 1;
  const replicas = sum((status) => status.replicas);
  const availableReplicas = sum((status) => status.availableReplicas);
  const updatedReplicas = next?.status?.replicas ?? 0;
  const unavailableReplicas = Math.max(0, Math.max(replicas, wanted) - availableReplicas);
  const isAvailable = availableReplicas >= wanted - rollingLimits(deployment).maxUnavailable;
  const isComplete =
    updatedReplicas === wanted &&
    replicas === wanted &&
    availableReplicas >= wanted &&
    next?.status?.observedGeneration === next?.metadata.generation;
  const set = next === undefined ? "" : ` "${next.metadata.name}"`;
  const available: PodCondition = isAvailable
    ? {
        type: "Available",
        status: "True",
        reason: "MinimumReplicasAvailable",
        message: "Deployment has minimum availability.",
      }
    : {
        type: "Available",
        status: "False",
        reason: "MinimumReplicasUnavailable",
        message: "Deployment does not have minimum availability.",
      };
  const progressing: PodCondition = isComplete
    ? {
        type: "Progressing",
        status: "True",
        reason: "NewReplicaSetAvailable",
        message: `ReplicaSet${set} has successfully progressed.`,
      }
    : { type: "Progressing", status: "True", reason: "ReplicaSetUpdated", message: `ReplicaSet${set} is progressing.` };
  return {
    observedGeneration: deployment.metadata.generation ?? 1,
    replicas,
    updatedReplicas,
    readyReplicas: sum((status) => status.readyReplicas),
    availableReplicas,
    ...(unavailableReplicas > 0 ? { unavailableReplicas } : {}),
    conditions: withCondition(withCondition(deployment.status?.conditions, available, now), progressing, now),
  };
}
