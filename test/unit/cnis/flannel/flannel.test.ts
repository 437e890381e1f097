import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { flannel } from "../../../../src/cnis/flannel/flannel.ts";
import type { CniDataplane, CniNode, CniPod, OneFamilyNode } from "../../../../src/cnis/types.ts";
import { wireguardKeys } from "../../../../src/cnis/wireguard-keys.ts";
import type { NetOp } from "../../../../src/kernel/net-ops.ts";
import { cniConfig, plannedNode, threeNodes } from "../cluster.ts";

const dataplane = flannel.dataplane as CniDataplane;
const nodes = threeNodes([["10.244.0.0/24"], ["10.244.1.0/24"], ["10.244.2.0/24"]]);
const [first, second, third] = nodes;

const bridge = (mtu: number): NetOp[] => [
  { op: "sysctl", key: "ipv4/ip_forward", value: "1" },
  { op: "bridge-add", name: "cni0", mtu, address: "0a:58:0a:f4:00:01" },
  { op: "address-add", dev: "cni0", address: "10.244.0.1", prefixLength: 24 },
  { op: "link-up", name: "cni0" },
];

describe("flannel on a node", () => {
  it("vxlan: bridge, flannel.1, and neighbour, forwarding entry and route a remote node", () => {
    expect(dataplane.nodeOps(first, [second, third], cniConfig({}))).toEqual([
      ...bridge(1450),
      {
        op: "vxlan-add",
        name: "flannel.1",
        vni: 1,
        local: "172.30.1.10",
        dev: "eth0",
        port: 8472,
        mtu: 1450,
        address: "0e:47:ea:23:49:af",
        learning: false,
      },
      { op: "address-add", dev: "flannel.1", address: "10.244.0.0", prefixLength: 32 },
      { op: "link-up", name: "flannel.1" },
      { op: "neigh-add", dev: "flannel.1", address: "10.244.1.0", lladdr: "6e:87:7c:7d:d8:1d" },
      { op: "fdb-add", dev: "flannel.1", lladdr: "6e:87:7c:7d:d8:1d", dst: "172.30.1.11" },
      { op: "route-add", to: "10.244.1.0/24", via: "10.244.1.0", dev: "flannel.1", onlink: true },
      { op: "neigh-add", dev: "flannel.1", address: "10.244.2.0", lladdr: "96:43:f5:5d:79:1f" },
      { op: "fdb-add", dev: "flannel.1", lladdr: "96:43:f5:5d:79:1f", dst: "172.30.2.12" },
      { op: "route-add", to: "10.244.2.0/24", via: "10.244.2.0", dev: "flannel.1", onlink: true },
    ]);
  });

  it("gives a node's tunnel end the hardware address that the other nodes expect of it", () => {
    const own = dataplane.nodeOps(second, [first], cniConfig({})).find(({ op }) => op === "vxlan-add");
    const seen = dataplane.nodeOps(first, [second], cniConfig({})).find(({ op }) => op === "neigh-add");
    expect(own).toMatchObject({ address: (seen as { lladdr: string }).lladdr });
  });

  it("host-gw: a route through each node of the same subnet, none to the others", () => {
    expect(dataplane.nodeOps(first, [second, third], cniConfig({ mode: "host-gw", mtu: 1500 }))).toEqual([
      ...bridge(1500),
      { op: "route-add", to: "10.244.1.0/24", via: "172.30.1.11", dev: "eth0" },
    ]);
  });

  it("wireguard: one device, a peer for each other node that may send from its own subnet alone", () => {
    const device = "flannel-wg";
    const peer = (name: string, endpoint: string, allowed: string): NetOp => {
      const { publicKey } = wireguardKeys(name, device);
      return { op: "wireguard-peer", dev: device, publicKey, endpoint, port: 51820, allowed };
    };
    expect(dataplane.nodeOps(first, [second, third], cniConfig({ mode: "wireguard", mtu: 1420 }))).toEqual([
      ...bridge(1420),
      { op: "wireguard-add", name: device, mtu: 1420 },
      { op: "wireguard-set", dev: device, privateKey: wireguardKeys("worker1", device).privateKey, port: 51820 },
      peer("worker2", "172.30.1.11", "10.244.1.0/24"),
      peer("worker3", "172.30.2.12", "10.244.2.0/24"),
      { op: "address-add", dev: device, address: "10.244.0.0", prefixLength: 32 },
      { op: "link-up", name: device },
      { op: "route-add", to: "10.244.0.0/16", dev: device },
    ]);
  });

  it("wireguard: IPv6 pods go by a second device, over the nodes' IPv6 addresses", () => {
    const ipv6 = ({ name }: CniNode, digit: number): OneFamilyNode => ({
      name,
      address: `fd00:30::${digit}`,
      subnet: "fd00:30::/64",
      dev: "eth0",
      gateway: "fd00:30::ff",
      podCidrs: [`fd00:244:0:${digit}::/64`],
    });
    const config = cniConfig({ mode: "wireguard", mtu: 1420, ipv6PodCidr: "fd00:244::/56" });
    const ops = dataplane.nodeOps({ ...first, ipv6: ipv6(first, 1) }, [{ ...second, ipv6: ipv6(second, 2) }], config);
    expect(ops).toContainEqual(
      expect.objectContaining({
        op: "wireguard-peer",
        dev: "flannel-wg-v6",
        endpoint: "fd00:30::2",
        port: 51821,
        allowed: "fd00:244:0:2::/64",
      }),
    );
    expect(ops).toContainEqual({ op: "route-add", to: "fd00:244::/56", dev: "flannel-wg-v6" });
  });

  it("refuses a node without a subnet", () => {
    expect(() => dataplane.nodeOps({ ...first, podCidrs: [] }, [], cniConfig({}))).toThrow(
      expect.objectContaining({ code: "CNI_NO_POD_CIDR" }),
    );
  });

  it("masquerades what leaves the pod network, not what stays in it", () => {
    const rules = dataplane
      .nodeNft(second, cniConfig({}))
      .split("\n")
      .map((line) => line.trim());
    expect(rules.filter((line) => line.startsWith("ip saddr") && !line.endsWith("/16 accept"))).toEqual([
      "ip saddr 10.244.1.0/24 ip daddr 10.244.0.0/16 return",
      "ip saddr 10.244.0.0/16 ip daddr 10.244.1.0/24 return",
      "ip saddr != 10.244.0.0/16 ip daddr 10.244.1.0/24 return",
      "ip saddr 10.244.0.0/16 ip daddr != 224.0.0.0/4 masquerade fully-random",
      "ip saddr != 10.244.0.0/16 ip daddr 10.244.0.0/16 masquerade fully-random",
    ]);
  });
});

describe("flannel and a pod", () => {
  const pod: CniPod = {
    namespace: "shop",
    name: "web",
    uid: "u-1",
    addresses: ["10.244.0.2"],
    netns: "pod:web",
  };

  it("is a hairpin port of cni0, its default route and the pod network's through the bridge", () => {
    expect(dataplane.attachPod(pod, first, cniConfig({}))).toEqual({
      hostInterface: "veth8ccfeb78",
      lladdr: "0a:58:0a:f4:00:02",
      nodeOps: [
        {
          op: "veth-add",
          name: "veth8ccfeb78",
          mtu: 1450,
          peer: { name: "eth0", namespace: "pod:web", mtu: 1450, address: "0a:58:0a:f4:00:02" },
        },
        { op: "link-set", name: "veth8ccfeb78", master: "cni0", hairpin: true },
        { op: "link-up", name: "veth8ccfeb78" },
      ],
      podOps: [
        { op: "address-add", dev: "eth0", address: "10.244.0.2", prefixLength: 24 },
        { op: "link-up", name: "eth0" },
        { op: "route-add", to: "default", via: "10.244.0.1", dev: "eth0" },
        { op: "route-add", to: "10.244.0.0/16", via: "10.244.0.1", dev: "eth0" },
      ],
    });
  });

  it("with neighbours pins the gateway's, the others' and, on the node, its own hardware address", () => {
    const neighbours = [{ address: "10.244.0.3", lladdr: "0a:58:0a:f4:00:03" }];
    const { podOps, nodeOps } = dataplane.attachPod({ ...pod, neighbours }, first, cniConfig({}));
    expect(podOps.slice(4)).toEqual([
      { op: "neigh-add", dev: "eth0", address: "10.244.0.1", lladdr: "0a:58:0a:f4:00:01" },
      { op: "neigh-add", dev: "eth0", address: "10.244.0.3", lladdr: "0a:58:0a:f4:00:03" },
    ]);
    expect(nodeOps.at(-1)).toEqual({
      op: "neigh-add",
      dev: "cni0",
      address: "10.244.0.2",
      lladdr: "0a:58:0a:f4:00:02",
    });
  });

  it("has another interface name when it is made anew", () => {
    const again = dataplane.attachPod({ ...pod, uid: "u-2" }, first, cniConfig({}));
    expect(again.hostInterface).not.toBe(dataplane.attachPod(pod, first, cniConfig({})).hostInterface);
  });
});

describe("flannel's addresses", () => {
  const ipam = (podCidr = "10.244.0.0/16") => dataplane.ipam(["a", "b"].map(plannedNode), cniConfig({ podCidr }));

  it("are a /24 a node in the nodes' order, counted from .2", () => {
    const addresses = ipam();
    expect([addresses.cidrs("a"), addresses.cidrs("b")]).toEqual([["10.244.0.0/24"], ["10.244.1.0/24"]]);
    expect([addresses.assign("b"), addresses.assign("b"), addresses.assign("a")]).toEqual([
      { address: "10.244.1.2" },
      { address: "10.244.1.3" },
      { address: "10.244.0.2" },
    ]);
  });

  it("are used again only after the others had their turn", () => {
    const addresses = ipam();
    addresses.assign("a");
    addresses.release("a", "10.244.0.2");
    expect(addresses.assign("a").address).toBe("10.244.0.3");
    for (let count = 4; count <= 254; count += 1) addresses.assign("a");
    expect(addresses.assign("a").address).toBe("10.244.0.2");
  });

  it("end with the node's subnet", () => {
    const addresses = ipam();
    for (let count = 0; count < 253; count += 1) addresses.assign("a");
    expect(() => addresses.assign("a")).toThrow(expect.objectContaining({ code: "IPAM_EXHAUSTED" }));
    expect(addresses.assign("b").address).toBe("10.244.1.2");
  });

  it("refuse a pod network without a /24 for every node", () => {
    expect(() => ipam("10.244.0.0/24")).toThrow(expect.objectContaining({ code: "IPAM_EXHAUSTED" }));
  });

  it("give a node that joins later the next subnet, and say so", () => {
    expect(ipam().assign("late")).toEqual({ address: "10.244.2.2", addedCidr: "10.244.2.0/24" });
  });

  it("are never held by two pods", () => {
    const step = fc.record({
      node: fc.constantFrom("a", "b"),
      releases: fc.boolean(),
      pick: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const addresses = ipam();
        const held: { node: string; address: string }[] = [];
        for (const { node, releases, pick } of steps) {
          if (releases && held.length > 0) {
            const [gone] = held.splice(pick % held.length, 1);
            if (gone !== undefined) addresses.release(gone.node, gone.address);
          } else {
            held.push({ node, address: addresses.assign(node).address });
          }
        }
        expect(new Set(held.map(({ address }) => address)).size).toBe(held.length);
      }),
    );
  });
});
