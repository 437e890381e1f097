import { DEFAULT_REAL_CLUSTER } from "../../lab/real-cluster.ts";
import type { Plan } from "../../plan/types.ts";
import { targetOf } from "./machines.ts";
import { KUBERNETES_VERSION } from "./software.ts";
import type { SshState } from "./state.ts";
import type { ClusterSettings, InventoryMachine } from "./types.ts";

/** The machines of a plan as it was found on them. */
export function inventoryOf({ topology, machines = [] }: Plan): InventoryMachine[] {
  return topology.nodes.flatMap(({ name, role, labels, taints, interfaces }) => {
    const machine = machines.find(({ node }) => node === name);
    const [nodeAddress] = interfaces[0]?.addresses ?? [];
    if (machine === undefined || nodeAddress === undefined) return [];
    return [{ node: name, role, labels, taints, nodeAddress, target: targetOf(machine) }];
  });
}

export function settingsOf(
  { cni, cluster, realCluster = DEFAULT_REAL_CLUSTER }: Pick<Plan, "cni" | "cluster" | "realCluster">,
  bundle: string | undefined,
): ClusterSettings {
  return {
    kubernetesVersion: KUBERNETES_VERSION,
    podCidrs: cni.podCidrs,
    serviceCidrs: cluster.serviceCidrs,
    dnsDomain: cluster.dnsDomain,
    kubeProxyMode: realCluster.kubeProxyMode,
    kubeadmPatches: realCluster.kubeadmPatches,
    bundle,
  };
}

/** What giving machines back needs of both: who they are. */
export function resetInventory(machines: readonly SshState["machines"][number][]): InventoryMachine[] {
  return machines.flatMap(({ role, ...machine }) => {
    // It was never joined.
    if (role === "external") return [];
    const nodeAddress = machine.nodeAddress ?? machine.host;
    return [{ node: machine.node, role, labels: {}, taints: [], nodeAddress, target: targetOf(machine) }];
  });
}
