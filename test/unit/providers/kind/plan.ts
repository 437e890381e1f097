import { loadTopology } from "../../../../src/lab/topology.ts";
import type { Plan } from "../../../../src/plan/types.ts";

/** A plan with Calico on a bundled topology, and nothing to do in it. */
export function planOn(topology: string, change: Partial<Plan> = {}): Plan {
  return {
    apiVersion: "cnilab.dev/v1alpha1",
    lab: { name: "shop", title: "Shop", file: "lab.yaml", directory: "." },
    provider: "kind",
    topology: loadTopology(topology),
    cni: { name: "calico", mode: "vxlan", podCidrs: ["192.168.0.0/16"], mtu: 1450, enforcesPolicy: true, options: {} },
    cluster: { serviceCidrs: ["10.96.0.0/12"], dnsAddress: "10.96.0.10", dnsDomain: "cluster.local" },
    scenario: [],
    probes: [],
    tasks: [],
    ...change,
  };
}
