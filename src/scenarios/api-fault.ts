import { LabError } from "../core/errors.ts";
import type { DaemonSet, StatefulSet } from "../kube/set-types.ts";
import type { Deployment, KubeObject } from "../kube/types.ts";
import { podsOfWorkload } from "../kube/workloads.ts";
import { formatEndpointRef } from "../lab/refs.ts";
import type { ApiFault, FaultOf } from "../providers/fault.ts";
import type { Cluster, ObjectRef } from "../providers/types.ts";
import { formatObjectRef } from "./object-refs.ts";

/** A rollout that takes longer is stuck. A StatefulSet of ten, whose pods do not hear SIGTERM, takes as long. */
const ROLLOUT_TIMEOUT_MS = 300_000;

/** Makes a fault that is a change of objects, on any provider; resolves with what was done when it is over. */
export async function makeApiFault(fault: ApiFault, cluster: Cluster, signal: AbortSignal): Promise<string> {
  if (fault.kind === "rolloutRestart") {
    const ref = await restart(fault, cluster, signal);
    return `all pods of ${formatObjectRef(ref)} were replaced`;
  }
  const killed = await killPods(fault, cluster);
  signal.throwIfAborted();
  return `killed: ${killed.map(formatObjectRef).join(", ")}`;
}

const KINDS = { deployment: "Deployment", statefulset: "StatefulSet", daemonset: "DaemonSet" } as const;

/**
 * As `kubectl rollout restart` and `kubectl rollout status`; the time has milliseconds, since two grades may come in one second. Rejects
 * with WAIT_TIMEOUT, FAULT_NOT_POSSIBLE where no rollout would follow, OBJECT_NOT_FOUND.
 */
async function restart(
  { target }: FaultOf<"rolloutRestart">,
  cluster: Cluster,
  signal: AbortSignal,
): Promise<ObjectRef> {
  if (target.kind !== "workload" || target.workload === "replicaset")
    throw new LabError("FAULT_NOT_POSSIBLE", `${formatEndpointRef(target)} has no rollouts`);
  const { namespace, name } = target;
  const ref = { kind: KINDS[target.workload], namespace, name };
  const found = await cluster.list({ kind: ref.kind, namespace });
  const object = found.find(({ metadata }) => metadata.name === name);
  if (object === undefined) throw new LabError("OBJECT_NOT_FOUND", `${formatEndpointRef(target)} does not exist`);
  const reason = whyNoRollout(object);
  if (reason !== undefined) throw new LabError("FAULT_NOT_POSSIBLE", `${formatEndpointRef(target)} ${reason}`);
  signal.throwIfAborted();
  await cluster.rolloutRestart(ref, new Date().toISOString());
  await cluster.wait({ kind: "rollout", ref }, { timeoutMs: ROLLOUT_TIMEOUT_MS, signal });
  return ref;
}

function whyNoRollout(object: KubeObject): string | undefined {
  if (object.kind === "Deployment")
    return (object as Deployment).spec["paused"] === true ? "is paused: its pods are not replaced" : undefined;
  return (object as StatefulSet | DaemonSet).spec.updateStrategy?.type === "OnDelete"
    ? "has updateStrategy OnDelete: its pods are not replaced before somebody deletes them"
    : undefined;
}

/** Resolves when they are gone: whoever owns them makes others. */
async function killPods({ target, count }: FaultOf<"podKill">, cluster: Cluster): Promise<ObjectRef[]> {
  const objects = await cluster.list();
  const pods =
    target.kind === "pod"
      ? objects.filter(
          ({ kind, metadata }) =>
            kind === "Pod" && metadata.namespace === target.namespace && metadata.name === target.name,
        )
      : target.kind === "workload"
        ? (podsOfWorkload(objects, target.workload, target.namespace, target.name) ?? [])
        : [];
  if (pods.length < count) {
    throw new LabError(
      "FAULT_NO_POD",
      `${formatEndpointRef(target)} has ${pods.length} pods, ${count} were to be killed`,
      { hint: "wait for it before this step" },
    );
  }
  const refs = pods
    .slice(0, count)
    .map(({ metadata: { namespace = "default", name } }) => ({ kind: "Pod", namespace, name }));
  await cluster.delete(refs);
  return refs;
}
