import { cnis } from "../../cnis/registry.ts";
import type { Cni } from "../../cnis/types.ts";
import { LabError } from "../../core/errors.ts";
import { isNodeReady } from "../../kube/nodes.ts";
import { isPodReady } from "../../kube/pods.ts";
import type { KubeObject, Pod } from "../../kube/types.ts";
import type { Plan } from "../../plan/types.ts";
import type { KubernetesApi } from "./api/kubernetes-api.ts";

const READY_TIMEOUT_MS = 180_000;

/**
 * Resolves when the node is ready by signs newer than `since`: its kubelet renewed its Lease (every 10 s; a Node's own status
 * stays as it was for minutes), pods of DaemonSets (the CNI's
 * agent, kube-proxy, our own) are ready, and with `restarted` were started after.
 */
export async function untilNodeReady(
  { api, plan }: { api: KubernetesApi; plan: Plan },
  node: string,
  since: Date,
  { restarted = false }: { restarted?: boolean } = {},
): Promise<void> {
  // Containers' times are whole seconds.
  const floor = Math.floor(since.getTime() / 1000) * 1000;
  await api.until(
    [{ kind: "Node" }, { kind: "Lease", namespace: "kube-node-lease" }, { kind: "Pod" }],
    (objects) => {
      const named = (kind: string): KubeObject | undefined =>
        objects.find((object) => object.kind === kind && object.metadata.name === node);
      const { renewTime = "" } = (named("Lease")?.["spec"] ?? {}) as { renewTime?: string };
      if (!(Date.parse(renewTime) >= since.getTime())) return "its kubelet has not said anything yet";
      if (!isNodeReady(named("Node"))) return "it is not ready";
      if (agentPod(plan, objects, node) === undefined) return `it has no agent of ${plan.cni.name}`;
      const daemons = daemonPods(objects, node);
      const unready = daemons.find((pod) => !isPodReady(pod));
      if (unready !== undefined) return `pod ${unready.metadata.name} is not ready there`;
      const stale = daemons.find((pod) => !containerStatuses(pod).every((status) => startedAt(status) >= floor));
      if (restarted && stale !== undefined) return `pod ${stale.metadata.name} has not started anew`;
      return undefined;
    },
    {
      timeoutMs: READY_TIMEOUT_MS,
      timeout: (gap) =>
        new LabError("NODE_NOT_READY", `after ${READY_TIMEOUT_MS / 1000} s node ${node} is not back: ${gap}`, {
          hint: `kubectl describe node ${node}`,
        }),
    },
  );
}

/** Ids of the running containers of the CNI's agent on a node, as its runtime knows them. Rejects with SOURCE_MISSING where none runs. */
export async function agentContainers(api: KubernetesApi, plan: Plan, node: string): Promise<string[]> {
  const pod = agentPod(plan, await api.list({ kind: "Pod" }), node);
  const ids = containerStatuses(pod)
    .filter(({ state }) => state?.running !== undefined)
    .map(({ containerID = "" }) => containerID.replace(/^.*:\/\//, ""));
  if (ids.length > 0) return ids;
  throw new LabError("SOURCE_MISSING", `no agent of ${plan.cni.name} runs on node ${node}`);
}

function agentPod(plan: Plan, objects: readonly KubeObject[], node: string): Pod | undefined {
  const cni: Cni | undefined = (cnis as Record<string, Cni>)[plan.cni.name];
  const agent = cni?.install.agent;
  return (objects as Pod[]).find(
    ({ kind, spec, metadata }) =>
      kind === "Pod" &&
      spec.nodeName === node &&
      metadata.namespace === agent?.namespace &&
      (metadata.ownerReferences ?? []).some((owner) => owner.kind === "DaemonSet" && owner.name === agent?.daemonSet),
  );
}

interface ContainerStatus {
  containerID?: string;
  state?: { running?: { startedAt?: string } };
}

function containerStatuses(pod: Pod | undefined): ContainerStatus[] {
  return (pod?.status as { containerStatuses?: ContainerStatus[] } | undefined)?.containerStatuses ?? [];
}

function startedAt({ state }: ContainerStatus): number {
  return Date.parse(state?.running?.startedAt ?? "");
}

function daemonPods(objects: readonly KubeObject[], node: string): Pod[] {
  return (objects as Pod[]).filter(
    ({ kind, spec, metadata }) =>
      kind === "Pod" &&
      spec.nodeName === node &&
      metadata.deletionTimestamp === undefined &&
      (metadata.ownerReferences ?? []).some((owner) => owner.kind === "DaemonSet"),
  );
}
