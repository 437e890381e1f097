import { describe, expect, it } from "vitest";
import { calico } from "../../../src/cnis/calico/calico.ts";
import { flannel } from "../../../src/cnis/flannel/flannel.ts";
import type { CniDataplane, CniNode, CniPod } from "../../../src/cnis/types.ts";
import type { NetOp } from "../../../src/kernel/net-ops.ts";
import { cniConfig, plannedNode, threeNodes } from "./cluster.ts";

const POD_NETWORK_V6 = "fd00:10:244::/56";

/** Three nodes, the third in another subnet, each with IPv6 beside IPv4; what is there of IPv4 is in the CNIs' own tests. */
function dualNodes(ipv4: [string, string, string], ipv6: [string, string, string]): [CniNode, CniNode, CniNode] {
  const nodes = threeNodes([[ipv4[0]], [ipv4[1]], [ipv4[2]]]);
  nodes.forEach((node, index) => {
    const network = index === 2 ? 1 : 0;
    node.ipv6 = {
      name: node.name,
      address: `fd00:172:30:${network}::1${index}`,
      subnet: `fd00:172:30:${network}::/64`,
      dev: "eth0",
      gateway: `fd00:172:30:${network}::1`,
      podCidrs: [ipv6[index] ?? ""],
    };
  });
  return nodes;
}

/** Operations that have an IPv6 address, or are about the device of the IPv6 tunnel. */
function ofIpv6(ops: readonly NetOp[]): NetOp[] {
  return ops.filter((op) => /v6|[0-9a-f]{2,4}::|fd00:|ipv6/.test(JSON.stringify(op)));
}

const pod: CniPod = {
  namespace: "default",
  name: "nginx",
  uid: "u",
  addresses: ["192.168.5.65", "fd00:10:244::41"],
  netns: "pod:nginx",
};

describe("calico with two families", () => {
  const dataplane = calico.dataplane as CniDataplane;
  const nodes = dualNodes(
    ["192.168.5.64/26", "192.168.9.0/26", "192.168.7.128/26"],
    ["fd00:10:244::40/122", "fd00:10:244::80/122", "fd00:10:244::c0/122"],
  );
  const [first, second, third] = nodes;
  const config = cniConfig({ podCidr: "192.168.0.0/16", ipv6PodCidr: POD_NETWORK_V6, mtu: 1430 });
  const blackhole = (protocol: number): NetOp => ({
    op: "route-add",
    to: "fd00:10:244::40/122",
    type: "blackhole",
    protocol,
  });
  const forwarding: NetOp = { op: "sysctl", key: "ipv6/conf/all/forwarding", value: "1" };
  // sha1("worker1-v6"), sha1("worker2-v6") and sha1("worker3-v6") begin so.
  const [own, near, far] = ["66:ed:a6:2d:2b:8d", "66:65:83:e5:bb:cc", "66:77:6e:7a:55:9e"];
  const tunnel: NetOp[] = [
    {
      op: "vxlan-add",
      name: "vxlan-v6.calico",
      vni: 4096,
      local: "fd00:172:30:0::10",
      dev: "eth0",
      port: 4789,
      mtu: 1430,
      address: own ?? "",
      learning: false,
    },
    { op: "address-add", dev: "vxlan-v6.calico", address: "fd00:10:244::40", prefixLength: 128 },
    { op: "link-up", name: "vxlan-v6.calico" },
  ];
  const towards = (address: string, lladdr: string, dst: string): NetOp[] => [
    { op: "neigh-add", dev: "vxlan-v6.calico", address, lladdr },
    { op: "fdb-add", dev: "vxlan-v6.calico", lladdr, dst },
  ];
  const encapsulated = (to: string, via: string): NetOp => ({
    op: "route-add",
    to,
    via,
    dev: "vxlan-v6.calico",
    onlink: true,
  });

  it("vxlan: a second tunnel over the nodes' IPv6 addresses", () => {
    expect(ofIpv6(dataplane.nodeOps(first, [second, third], config))).toEqual([
      forwarding,
      ...tunnel,
      ...towards("fd00:10:244::80", near ?? "", "fd00:172:30:0::11"),
      encapsulated("fd00:10:244::80/122", "fd00:10:244::80"),
      ...towards("fd00:10:244::c0", far ?? "", "fd00:172:30:1::12"),
      encapsulated("fd00:10:244::c0/122", "fd00:10:244::c0"),
      blackhole(80),
    ]);
  });

  it("cross-subnet: plain IPv6 routes inside the subnet", () => {
    const ops = dataplane.nodeOps(first, [second, third], { ...config, mode: "cross-subnet" });
    expect(ops).toContainEqual({
      op: "route-add",
      to: "fd00:10:244::80/122",
      via: "fd00:172:30:0::11",
      dev: "eth0",
      protocol: 80,
      onlink: true,
    });
    expect(ops).toContainEqual(encapsulated("fd00:10:244::c0/122", "fd00:10:244::c0"));
  });

  it("direct: IPv6 routes as BIRD has them, and no device", () => {
    const learned = (to: string, via: string): NetOp => ({ op: "route-add", to, via, dev: "eth0", protocol: 12 });
    expect(ofIpv6(dataplane.nodeOps(first, [second, third], { ...config, mode: "direct" }))).toEqual([
      forwarding,
      learned("fd00:10:244::80/122", "fd00:172:30:0::11"),
      learned("fd00:10:244::c0/122", "fd00:172:30:0::1"),
      blackhole(12),
    ]);
  });

  it("gives a pod a /128, and the node's end of its link as the way out", () => {
    const { podOps, nodeOps, hostInterface: name, lladdr } = dataplane.attachPod(pod, first, config);
    expect(ofIpv6(podOps)).toEqual([
      { op: "address-add", dev: "eth0", address: "fd00:10:244::41", prefixLength: 128 },
      { op: "route-add", to: "default", via: "fe80::ecee:eeff:feee:eeee", dev: "eth0" },
      { op: "neigh-add", dev: "eth0", address: "fe80::ecee:eeff:feee:eeee", lladdr: "ee:ee:ee:ee:ee:ee" },
    ]);
    expect(ofIpv6(nodeOps)).toEqual([
      { op: "route-add", to: "fd00:10:244::41/128", dev: name, scope: "link" },
      { op: "neigh-add", dev: name, address: "fd00:10:244::41", lladdr },
      { op: "link-without-ipv6-address", name },
    ]);
  });

  it("masquerades what leaves the IPv6 pool, in a table of its own", () => {
    const rules = dataplane.nodeNft(first, config);
    expect(rules).toContain(
      `set cali60all-ipam-pools {\n    type ipv6_addr; flags interval\n    elements = { ${POD_NETWORK_V6} }`,
    );
    expect(rules).toContain("ip6 saddr @cali60masq-ipam-pools ip6 daddr != @cali60all-ipam-pools masquerade");
    expect(rules).toContain('oifname "vxlan-v6.calico" fib saddr . oif type != local');
  });

  it("takes blocks of 64 addresses of the IPv6 network, and gives one back once", () => {
    const ipam = dataplane.ipam(["a", "b"].map(plannedNode), { ...config, podCidr: POD_NETWORK_V6 });
    const [block = ""] = ipam.cidrs("a");
    expect(block).toMatch(/^fd00:10:244:.*\/122$/);
    expect(ipam.cidrs("b")).not.toEqual([block]);
    const given = Array.from({ length: 64 }, () => ipam.assign("a"));
    expect(new Set(given.map(({ address }) => address)).size).toBe(64);
    // The tunnel has the first of 64, so that the last one is of a further block.
    expect(given.map(({ addedCidr }) => addedCidr !== undefined)).toEqual([...Array<boolean>(63).fill(false), true]);
    ipam.release("a", given[5]?.address ?? "");
    ipam.release("a", given[5]?.address ?? "");
    expect(ipam.assign("a").address).toBe(given[5]?.address);
    expect(ipam.assign("a").address).not.toBe(given[5]?.address);
  });
});

describe("flannel with two families", () => {
  const dataplane = flannel.dataplane as CniDataplane;
  const nodes = dualNodes(
    ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"],
    ["fd00:10:244::/64", "fd00:10:244:1::/64", "fd00:10:244:2::/64"],
  );
  const [first, second, third] = nodes;
  const config = cniConfig({ ipv6PodCidr: POD_NETWORK_V6, mtu: 1430 });

  it("vxlan: cni0 has both gateways, and flannel-v6.1 leads to the other nodes' subnets", () => {
    const ops = dataplane.nodeOps(second, [first, third], config);
    expect(ops).toContainEqual({ op: "address-add", dev: "cni0", address: "fd00:10:244:1::1", prefixLength: 64 });
    expect(ops.filter((op) => op.op === "vxlan-add")).toEqual([
      expect.objectContaining({ name: "flannel.1", local: "172.30.1.11" }),
      expect.objectContaining({ name: "flannel-v6.1", local: "fd00:172:30:0::11", vni: 1, port: 8472 }),
    ]);
    expect(ops).toContainEqual({
      op: "route-add",
      to: "fd00:10:244:2::/64",
      via: "fd00:10:244:2::",
      dev: "flannel-v6.1",
      onlink: true,
    });
    const device = dataplane.nodeOps(third, [], config).find((op) => op.op === "vxlan-add" && op.name.includes("v6"));
    expect(ops).toContainEqual(
      expect.objectContaining({
        op: "fdb-add",
        dst: "fd00:172:30:1::12",
        lladdr: (device as { address: string }).address,
      }),
    );
  });

  it("host-gw: a route through each node of the same subnet", () => {
    const ops = dataplane.nodeOps(first, [second, third], { ...config, mode: "host-gw" });
    expect(ops.filter((op) => op.op === "route-add" && op.to.includes(":"))).toEqual([
      { op: "route-add", to: "fd00:10:244:1::/64", via: "fd00:172:30:0::11", dev: "eth0" },
    ]);
  });

  it("gives a pod an address of its node's /64, pins its neighbours, and none to the node's end of its link", () => {
    const own = { ...pod, addresses: ["10.244.1.2", "fd00:10:244:1::2"], neighbours: [] };
    const { podOps, nodeOps, hostInterface: name } = dataplane.attachPod(own, second, config);
    expect(ofIpv6(podOps)).toEqual([
      { op: "address-add", dev: "eth0", address: "fd00:10:244:1::2", prefixLength: 64 },
      { op: "route-add", to: "default", via: "fd00:10:244:1::1", dev: "eth0" },
      { op: "route-add", to: POD_NETWORK_V6, via: "fd00:10:244:1::1", dev: "eth0" },
      { op: "neigh-add", dev: "eth0", address: "fd00:10:244:1::1", lladdr: "0a:58:0a:f4:01:01" },
    ]);
    expect(ofIpv6(nodeOps)).toEqual([
      { op: "link-without-ipv6-address", name },
      { op: "neigh-add", dev: "cni0", address: "fd00:10:244:1::2", lladdr: "0a:58:0a:f4:01:02" },
    ]);
  });

  it("masquerades what leaves the IPv6 pod network", () => {
    expect(dataplane.nodeNft(second, config)).toContain(
      `ip6 saddr ${POD_NETWORK_V6} ip6 daddr != ff00::/8 masquerade fully-random`,
    );
  });

  it("cuts a /64 a node, counted from ::2, and says when there is none left", () => {
    const ipam = dataplane.ipam(["a", "b"].map(plannedNode), { ...config, podCidr: POD_NETWORK_V6 });
    expect([ipam.cidrs("a"), ipam.cidrs("b")]).toEqual([["fd00:10:244::/64"], ["fd00:10:244:1::/64"]]);
    expect([ipam.assign("b").address, ipam.assign("b").address]).toEqual(["fd00:10:244:1::2", "fd00:10:244:1::3"]);
    const many = Array.from({ length: 17 }, (_, index) => plannedNode(`n${index}`));
    expect(() => dataplane.ipam(many, { ...config, podCidr: "fd00:10:244::/60" })).toThrow(
      expect.objectContaining({ code: "IPAM_EXHAUSTED" }),
    );
  });
});
