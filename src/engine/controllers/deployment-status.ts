import type { Deployment, PodCondition, ReplicaSet } from "../../kube/types.ts";
import { conditionOf, withCondition } from "./conditions.ts";
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
    conditions: [available, progressing].reduce<PodCondition[]>(
      (all, condition) => updated(all, condition, now),
      deployment.status?.conditions ?? [],
    ),
  };
}

/** A condition of a Deployment stays as it is until its status or reason changes (deployment/util SetDeploymentCondition). */
function updated(conditions: readonly PodCondition[], condition: PodCondition, now: string): PodCondition[] {
  const previous = conditionOf(conditions, condition.type);
  if (previous?.status === condition.status && previous.reason === condition.reason) return [...conditions];
  return withCondition(conditions, { ...condition, lastUpdateTime: now }, now);
}
