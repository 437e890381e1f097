import { LabError } from "../../../../core/errors.ts";
import type { FaultOf } from "../../../fault.ts";
import { isReady, tellReady } from "./node-ready.ts";
import type { FaultParts, Mend } from "./types.ts";

const DNS = { kind: "Deployment", namespace: "kube-system", name: "coredns" } as const;
const READY_TIMEOUT_MS = 30_000;

/** The rules that kube-proxy made on the node stay, and follow nothing from now on. */
export async function kubeProxyStopped(
  { dataplane }: FaultParts,
  { node }: FaultOf<"kubeProxyStopped">,
): Promise<Mend> {
  await dataplane.setProxyStopped(node, true);
  return () => dataplane.setProxyStopped(node, false);
}

/** The policy rules that the CNI's agent made on the node stay, and follow nothing from now on. A CNI without them has no such agent. */
export async function policyAgentStopped(
  { dataplane }: FaultParts,
  { node }: FaultOf<"policyAgentStopped">,
): Promise<Mend> {
  await dataplane.setPolicyStopped(node, true);
  return () => dataplane.setPolicyStopped(node, false);
}

/**
 * New pods of the node get no network. The node says so and is given the taint that the node lifecycle controller gives for it,
 * so that the scheduler passes it over; what runs there goes on.
 */
export function cniMissing({ network, controlPlane: { store } }: FaultParts, { node }: FaultOf<"cniMissing">): Mend {
  if (store.get("Node", node) === undefined) throw new LabError("SOURCE_MISSING", `node ${node} does not exist`);
  // What the kubelet tells of a pod where /etc/cni/net.d is empty.
  const refusal = `cni plugin not initialized: node ${node} has no network config`;
  network.refusing.set(node, new LabError("CNI_NOT_INITIALIZED", refusal));
  tellReady(store, node, {
    status: "False",
    reason: "KubeletNotReady",
    message:
      "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized",
  });
  return () => {
    network.refusing.delete(node);
    tellReady(store, node, isReady);
  };
}

function dnsReplicas({ controlPlane }: FaultParts): number {
  const deployment = controlPlane.store.get("Deployment", DNS.name, DNS.namespace);
  if (deployment === undefined)
    throw new LabError("OBJECT_NOT_FOUND", "the Deployment kube-system/coredns does not exist");
  return (deployment["spec"] as { replicas?: number }).replicas ?? 1;
}

/** Cluster DNS has no pods, and so its Service no endpoints; whoever scales it meanwhile has mended it. */
export async function dnsStopped(parts: FaultParts): Promise<Mend> {
  const { controlPlane } = parts;
  const replicas = dnsReplicas(parts);
  controlPlane.scale(DNS, 0);
  await controlPlane.settle({ timeoutMs: READY_TIMEOUT_MS });
  return async () => {
    if (dnsReplicas(parts) === 0) controlPlane.scale(DNS, Math.max(1, replicas));
    await controlPlane.wait({ kind: "condition", ref: DNS, condition: "Available" }, { timeoutMs: READY_TIMEOUT_MS });
  };
}
