import type { Plan, PlannedNode, PlannedVm } from "../../src/plan/types.ts";

/** A plan of that many virtual machines in one network, vm1, vm2, …; they get no further than it. */
export function vmPlan(vm: Partial<PlannedVm> & Pick<PlannedVm, "image">, count: number): Plan {
  const nodes = Array.from({ length: count }, (_, index): PlannedNode => {
    const link = { name: "eth0", network: "lan", addresses: [`10.89.0.${index + 2}`], prefixLengths: [24], mtu: 1500 };
    const role = index === 0 ? "control-plane" : "worker";
    return { name: `vm${index + 1}`, role, labels: {}, taints: [], interfaces: [link] };
  });
  const whole: PlannedVm = { cpus: 2, memoryBytes: 2 ** 30, diskBytes: 4 * 2 ** 30, internet: false, ...vm };
  return {
    apiVersion: "cnilab.dev/v1alpha1",
    lab: { name: "virtual", title: "Virtual machines", file: "/lab.yaml", directory: "/" },
    provider: "ssh",
    topology: {
      name: "inline",
      networks: [{ name: "lan", subnets: ["10.89.0.0/24"], gateways: ["10.89.0.1"], mtu: 1500 }],
      nodes,
    },
    cni: { name: "flannel", mode: "vxlan", podCidrs: ["10.244.0.0/16"], mtu: 1450, enforcesPolicy: false, options: {} },
    cluster: { serviceCidrs: ["10.96.0.0/12"], dnsAddress: "10.96.0.10", dnsDomain: "cluster.local" },
    machines: nodes.map(({ name }) => ({ node: name, name, host: "127.0.0.1", user: "lab", vm: whole })),
    scenario: [],
    probes: [],
    tasks: [],
  };
}
