import type { CniConfig, CniNode } from "../../../src/cnis/types.ts";
import type { PlannedNode } from "../../../src/plan/types.ts";

export function plannedNode(name: string): PlannedNode {
  return { name, role: "worker", labels: {}, taints: [], interfaces: [] };
}

export function cniConfig(overrides: Partial<CniConfig>): CniConfig {
  return {
    mode: "vxlan",
    podCidr: "10.244.0.0/16",
    serviceCidr: "10.96.0.0/16",
    mtu: 1450,
    options: {},
    ...overrides,
  };
}

/** Two nodes in one subnet and a third in another, each with the pod CIDRs given. */
export function threeNodes(podCidrs: readonly [string[], string[], string[]]): [CniNode, CniNode, CniNode] {
  const node = (index: 0 | 1 | 2, network: number): CniNode => ({
    name: `worker${index + 1}`,
    address: `172.30.${network}.1${index}`,
    subnet: `172.30.${network}.0/24`,
    dev: "eth0",
    gateway: `172.30.${network}.1`,
    podCidrs: podCidrs[index],
  });
  return [node(0, 1), node(1, 1), node(2, 2)];
}
