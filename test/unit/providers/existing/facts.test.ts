import { expect, test } from "vitest";
import type { Plan } from "../../../../src/plan/types.ts";
import type { KubernetesApi } from "../../../../src/providers/real/api/kubernetes-api.ts";
import { detectCni } from "../../../../src/providers/existing/detect-cni.ts";
import { planAsFound, readResolvConf } from "../../../../src/providers/existing/facts.ts";
import { standInsFor } from "../../../../src/providers/existing/nodes.ts";
import { planOn } from "../kind/plan.ts";

test("a pod's resolv.conf says the nameserver and the cluster's domain", () => {
  const text =
    "search a.svc.corp.example svc.corp.example corp.example lan\nnameserver 169.254.20.10\noptions ndots:5\n";
  expect(readResolvConf(text, "a")).toEqual({ dnsAddress: "169.254.20.10", dnsDomain: "corp.example" });
  expect(readResolvConf("nameserver 10.0.0.10\n", "a")).toEqual({ dnsAddress: "10.0.0.10", dnsDomain: undefined });
  expect(() => readResolvConf("search a\n", "a")).toThrow("pods of the cluster have no nameserver");
});

const daemonSets = (...names: [namespace: string, name: string][]): Pick<KubernetesApi, "list"> => ({
  list: () =>
    Promise.resolve(
      names.map(([namespace, name]) => ({ apiVersion: "apps/v1", kind: "DaemonSet", metadata: { namespace, name } })),
    ),
});

test("a CNI is known by its agents, in whichever namespace; two of them, or none, are not", async () => {
  expect(await detectCni(daemonSets(["kube-system", "kube-proxy"], ["calico-system", "calico-node"]))).toMatchObject({
    cni: { name: "calico" },
    agent: { namespace: "calico-system", daemonSet: "calico-node" },
  });
  expect(await detectCni(daemonSets(["kube-system", "cilium"]))).toBeUndefined();
  expect(await detectCni(daemonSets(["a", "calico-node"], ["b", "kube-flannel-ds"]))).toBeUndefined();
});

const plan: Plan = planOn("two-workers", { provider: "existing" });
const nodes = standInsFor(
  plan.topology.nodes,
  ["n1", "n2"].map((name) => ({
    apiVersion: "v1",
    kind: "Node",
    metadata: { name },
    spec: { podCIDRs: [`10.9.${name.slice(1)}.0/24`] },
    status: {
      addresses: [{ type: "InternalIP", address: `192.0.2.${name.slice(1)}` }],
      conditions: [{ type: "Ready", status: "True" }],
    },
  })),
);
const pod = { dnsAddress: "172.20.0.10", dnsDomain: "cluster.local", mtu: 8951 };
const found = { nodes, cni: undefined, pod, serviceCidrs: ["172.20.0.0/16"], enforcesPolicy: true };

test("the plan gets the cluster's addresses and networks, and no fact of the CNI that nobody knows", () => {
  const made = planAsFound(plan, found);
  expect(made.topology.nodes.map(({ name, interfaces }) => [name, interfaces[0]?.addresses])).toEqual([
    ["worker1", ["192.0.2.1"]],
    ["worker2", ["192.0.2.2"]],
  ]);
  expect(made.cni).toEqual({
    name: "unknown",
    mode: "as-found",
    podCidrs: ["10.9.1.0/24", "10.9.2.0/24"],
    mtu: 8951,
    enforcesPolicy: true,
    options: {},
  });
  expect(made.cluster).toEqual({
    serviceCidrs: ["172.20.0.0/16"],
    dnsAddress: "172.20.0.10",
    dnsDomain: "cluster.local",
  });
});

test("another DNS domain than the lab's is refused: its names would be others", () => {
  expect(() => planAsFound(plan, { ...found, pod: { ...pod, dnsDomain: "corp.example" } })).toThrow(
    "the cluster's DNS domain is corp.example, the lab's is cluster.local",
  );
});
