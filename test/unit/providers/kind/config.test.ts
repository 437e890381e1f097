import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import type { Plan } from "../../../../src/plan/types.ts";
import { hasTaintsToPatch, kindConfig, nodesInOrder } from "../../../../src/providers/kind/config.ts";
import { labelsToPatch } from "../../../../src/providers/real/node-labels.ts";
import { planOn } from "./plan.ts";

interface KindNode {
  role: string;
  labels?: Record<string, string>;
  extraMounts?: { hostPath: string; containerPath: string; readOnly: boolean }[];
  extraPortMappings?: unknown[];
  kubeadmConfigPatches: string[];
}

function configOf(
  plan: Plan,
  storeOnHost?: string,
): { networking: unknown; kubeadmConfigPatches: string[]; nodes: KindNode[] } {
  return parse(kindConfig(plan, { storeOnHost })) as ReturnType<typeof configOf>;
}

function withNodes(
  plan: Plan,
  change: (node: Plan["topology"]["nodes"][number]) => Plan["topology"]["nodes"][number],
): Plan {
  return { ...plan, topology: { ...plan.topology, nodes: plan.topology.nodes.map(change) } };
}

describe("kind configuration", () => {
  test("has the cluster's networks and no CNI of kind's", () => {
    expect(configOf(planOn("two-workers")).networking).toEqual({
      ipFamily: "ipv4",
      disableDefaultCNI: true,
      podSubnet: "192.168.0.0/16",
      serviceSubnet: "10.96.0.0/12",
      kubeProxyMode: "nftables",
    });
  });

  test("asks for both families where the plan has networks of both", () => {
    const plan = planOn("two-workers");
    const both = {
      cni: { ...plan.cni, podCidrs: ["192.168.0.0/16", "fd00:10:244::/56"] },
      cluster: { ...plan.cluster, serviceCidrs: ["10.96.0.0/12", "fd00:10:96::/112"] },
    };
    expect(configOf({ ...plan, ...both }).networking).toMatchObject({
      ipFamily: "dual",
      podSubnet: "192.168.0.0/16,fd00:10:244::/56",
      serviceSubnet: "10.96.0.0/12,fd00:10:96::/112",
    });
  });

  test("registers each node under its name in the topology", () => {
    const { nodes } = configOf(planOn("two-workers"));
    const registered = nodes.map(({ kubeadmConfigPatches: [patch = ""] }) => parse(patch) as Record<string, unknown>);
    expect(registered).toEqual([
      {
        kind: "InitConfiguration",
        nodeRegistration: {
          name: "control-plane",
          taints: [{ key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" }],
        },
      },
      { kind: "JoinConfiguration", nodeRegistration: { name: "worker1", taints: [] } },
      { kind: "JoinConfiguration", nodeRegistration: { name: "worker2", taints: [] } },
    ]);
  });

  test("leaves the taint of an only node to kind, which fails to remove one that is not there", () => {
    const plan = planOn("one-node");
    const [node] = configOf(plan).nodes;
    expect(parse(node?.kubeadmConfigPatches[0] ?? "")).toEqual({
      kind: "InitConfiguration",
      nodeRegistration: { name: "control-plane" },
    });
    expect(hasTaintsToPatch(plan)).toBe(false);
    const tainted = withNodes(plan, (each) => ({ ...each, taints: [{ key: "gpu", effect: "NoSchedule" }] }));
    expect(hasTaintsToPatch(tainted)).toBe(true);
  });

  test("puts control planes first and joins those after the first", () => {
    const plan = withNodes(planOn("two-workers"), (node) =>
      node.name === "worker2" ? { ...node, role: "control-plane" } : node,
    );
    expect(nodesInOrder(plan).map(({ name }) => name)).toEqual(["control-plane", "worker2", "worker1"]);
    const patches = configOf(plan).nodes.map(
      ({ kubeadmConfigPatches: [patch = ""] }) => (parse(patch) as { kind: string }).kind,
    );
    expect(patches).toEqual(["InitConfiguration", "JoinConfiguration", "JoinConfiguration"]);
  });

  test("gives the kubelet only labels that it may set; the others go through the API", () => {
    const labels = { tier: "web", "example.com/rack": "1", "node-role.kubernetes.io/worker": "" };
    const plan = withNodes(planOn("two-workers"), (node) =>
      node.name === "worker1" ? { ...node, labels: { ...node.labels, ...labels } } : node,
    );
    expect(configOf(plan).nodes[1]?.labels).toEqual({ tier: "web", "example.com/rack": "1" });
    const [, worker] = plan.topology.nodes;
    expect(worker === undefined ? undefined : labelsToPatch(worker)).toEqual({ "node-role.kubernetes.io/worker": "" });
  });

  test("carries the lab's DNS domain, kubeadm patches, proxy mode and port mappings", () => {
    const plan = planOn("two-workers", {
      cluster: { serviceCidrs: ["10.96.0.0/12"], dnsAddress: "10.96.0.10", dnsDomain: "lab.test" },
      realCluster: {
        kubeProxyMode: "nftables",
        addOns: [],
        kubeadmPatches: ["kind: KubeletConfiguration\nmaxPods: 50\n"],
        portMappings: [{ node: "worker2", containerPort: 30080, hostPort: 8080, protocol: "tcp" }],
      },
    });
    const config = configOf(plan);
    expect(config.networking).toMatchObject({ kubeProxyMode: "nftables" });
    expect(config.kubeadmConfigPatches.map((patch) => parse(patch) as unknown)).toEqual([
      { kind: "ClusterConfiguration", networking: { dnsDomain: "lab.test" } },
      { kind: "KubeletConfiguration", maxPods: 50 },
    ]);
    expect(config.nodes.map(({ extraPortMappings }) => extraPortMappings)).toEqual([
      undefined,
      undefined,
      [{ containerPort: 30080, hostPort: 8080, listenAddress: "127.0.0.1", protocol: "TCP" }],
    ]);
  });

  test("mounts the store of a prepared image on every node, read-only", () => {
    const mounts = configOf(planOn("two-workers"), "/var/lib/docker/volumes/v/_data").nodes.map(
      ({ extraMounts }) => extraMounts,
    );
    const mount = { hostPath: "/var/lib/docker/volumes/v/_data", containerPath: "/cnilab/store", readOnly: true };
    expect(mounts).toEqual([[mount], [mount], [mount]]);
  });
});
