import { expect, test } from "vitest";
import { listTopologies, loadTopology } from "../../../src/lab/topology.ts";

test("the topologies that come with cnilab are all right", () => {
  expect(listTopologies()).toEqual(["one-node", "small-mtu", "two-subnets", "two-workers"]);
  for (const name of listTopologies())
    expect(loadTopology(name).nodes.filter(({ role }) => role === "control-plane").length, name).toBe(1);
});

test("the router has a network's first address and the nodes the following, in order", () => {
  const { networks, nodes } = loadTopology("two-workers");
  expect(networks).toEqual([{ name: "lan", subnets: ["172.30.0.0/24"], gateways: ["172.30.0.1"], mtu: 1500 }]);
  expect(
    nodes.map(({ name, interfaces }) => [
      name,
      interfaces[0]?.name,
      interfaces[0]?.addresses,
      interfaces[0]?.prefixLengths[0],
    ]),
  ).toEqual([
    ["control-plane", "eth0", ["172.30.0.2"], 24],
    ["worker1", "eth0", ["172.30.0.3"], 24],
    ["worker2", "eth0", ["172.30.0.4"], 24],
  ]);
});

test("each subnet counts its own nodes", () => {
  const addresses = loadTopology("two-subnets").nodes.map(({ interfaces }) => interfaces[0]?.addresses[0]);
  expect(addresses).toEqual(["172.30.1.2", "172.30.1.3", "172.30.2.2", "172.30.2.3"]);
});

test("a link's MTU overrides its network's, on that node only", () => {
  expect(loadTopology("small-mtu").nodes.map(({ interfaces }) => interfaces[0]?.mtu)).toEqual([1500, 1500, 1400]);
});

test("the control plane has kubeadm's label and taint; alone it takes pods", () => {
  const [controlPlane, worker] = loadTopology("two-workers").nodes;
  expect(controlPlane?.taints).toEqual([{ key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" }]);
  expect(controlPlane?.labels).toMatchObject({
    "kubernetes.io/hostname": "control-plane",
    "node-role.kubernetes.io/control-plane": "",
  });
  expect([worker?.role, worker?.taints]).toEqual(["worker", []]);
  expect(loadTopology("one-node").nodes.map(({ taints }) => taints)).toEqual([[]]);
});
