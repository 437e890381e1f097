import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { calico } from "../../../../src/cnis/calico/calico.ts";
import { parseNetwork } from "../../../../src/cnis/ipv4.ts";
import type { CniDataplane, CniIpam, CniPod } from "../../../../src/cnis/types.ts";
import type { NetOp } from "../../../../src/kernel/net-ops.ts";
import { wireguardKeys } from "../../../../src/cnis/wireguard-keys.ts";
import { cniConfig, plannedNode, threeNodes } from "../cluster.ts";

const dataplane = calico.dataplane as CniDataplane;
const podCidr = "192.168.0.0/16";
const [first, second, third] = threeNodes([
  ["192.168.5.64/26"],
  ["192.168.9.0/26", "192.168.9.64/26"],
  ["192.168.7.128/26"],
]);
const forwarding: NetOp = { op: "sysctl", key: "ipv4/ip_forward", value: "1" };
const device: NetOp[] = [
  {
    op: "vxlan-add",
    name: "vxlan.calico",
    vni: 4096,
    local: "172.30.1.10",
    dev: "eth0",
    port: 4789,
    mtu: 1450,
    address: "66:3c:05:84:20:98",
    learning: false,
  },
  { op: "address-add", dev: "vxlan.calico", address: "192.168.5.64", prefixLength: 32 },
  { op: "link-up", name: "vxlan.calico" },
];
const tunnelTo = (address: string, lladdr: string, dst: string): NetOp[] => [
  { op: "neigh-add", dev: "vxlan.calico", address, lladdr },
  { op: "fdb-add", dev: "vxlan.calico", lladdr, dst },
];
const encapsulated = (to: string, via: string): NetOp => ({
  op: "route-add",
  to,
  via,
  dev: "vxlan.calico",
  onlink: true,
});
const blackhole = (protocol: number): NetOp => ({
  op: "route-add",
  to: "192.168.5.64/26",
  type: "blackhole",
  protocol,
});

describe("calico on a node", () => {
  it("vxlan: every remote block through its node's tunnel address", () => {
    expect(dataplane.nodeOps(first, [second, third], cniConfig({ podCidr }))).toEqual([
      forwarding,
      ...device,
      ...tunnelTo("192.168.9.0", "66:54:bd:6c:19:2d", "172.30.1.11"),
      encapsulated("192.168.9.0/26", "192.168.9.0"),
      encapsulated("192.168.9.64/26", "192.168.9.0"),
      ...tunnelTo("192.168.7.128", "66:5a:cd:e9:86:51", "172.30.2.12"),
      encapsulated("192.168.7.128/26", "192.168.7.128"),
      blackhole(80),
    ]);
  });

  it("ipip: every remote block through the tunnel device, its next hop the node itself, in other subnets too", () => {
    const encapsulatedTo = (to: string, via: string): NetOp => ({
      op: "route-add",
      to,
      via,
      dev: "tunl0",
      protocol: 12,
      onlink: true,
    });
    expect(dataplane.nodeOps(first, [second, third], cniConfig({ podCidr, mode: "ipip", mtu: 1480 }))).toEqual([
      forwarding,
      { op: "ipip-add", name: "tunl0" },
      { op: "link-set", name: "tunl0", mtu: 1480 },
      { op: "address-add", dev: "tunl0", address: "192.168.5.64", prefixLength: 32 },
      { op: "link-up", name: "tunl0" },
      encapsulatedTo("192.168.9.0/26", "172.30.1.11"),
      encapsulatedTo("192.168.9.64/26", "172.30.1.11"),
      encapsulatedTo("192.168.7.128/26", "172.30.2.12"),
      blackhole(12),
    ]);
    // What a node itself sends into the tunnel takes the tunnel's address, as with VXLAN.
    expect(dataplane.nodeNft(first, cniConfig({ podCidr, mode: "ipip" }))).toContain('oifname "tunl0" fib saddr');
  });

  it("wireguard: the routes of cross-subnet, and before them a table of the device's for all that is not encrypted yet", () => {
    const ops = dataplane.nodeOps(first, [second, third], cniConfig({ podCidr, mode: "wireguard", mtu: 1440 }));
    const plain = dataplane.nodeOps(first, [second, third], cniConfig({ podCidr, mode: "cross-subnet", mtu: 1440 }));
    const dev = "wireguard.cali";
    const peer = (name: string, endpoint: string, allowed: string): NetOp[] => [
      { op: "wireguard-peer", dev, publicKey: wireguardKeys(name, dev).publicKey, endpoint, port: 51820, allowed },
      { op: "route-add", to: allowed, dev, protocol: 80, table: 1 },
    ];
    expect(ops.slice(0, plain.length)).toEqual(plain);
    expect(ops.slice(plain.length)).toEqual([
      { op: "sysctl", key: "ipv4/conf/all/src_valid_mark", value: "1" },
      { op: "wireguard-add", name: dev, mtu: 1440 },
      { op: "wireguard-set", dev, privateKey: wireguardKeys("worker1", dev).privateKey, port: 51820, fwmark: 0x100000 },
      // The first address of the block is VXLAN's end.
      { op: "address-add", dev, address: "192.168.5.65", prefixLength: 32 },
      { op: "link-up", name: dev },
      { op: "rule-add", priority: 99, notMark: 0x100000, table: 1 },
      ...peer("worker2", "172.30.1.11", "192.168.9.0/26"),
      ...peer("worker2", "172.30.1.11", "192.168.9.64/26"),
      ...peer("worker3", "172.30.2.12", "192.168.7.128/26"),
    ]);
    const ipam = dataplane.ipam([plannedNode("worker1")], cniConfig({ podCidr, mode: "wireguard" }));
    const [block = ""] = ipam.cidrs("worker1");
    const pod = ipam.assign("worker1").address;
    expect(parseNetwork(`${pod}/32`).base - parseNetwork(block).base).toBe(2);
  });

  it("cross-subnet: plain routes inside the node's subnet, the tunnel between subnets", () => {
    const direct = (to: string): NetOp => ({
      op: "route-add",
      to,
      via: "172.30.1.11",
      dev: "eth0",
      protocol: 80,
      onlink: true,
    });
    expect(dataplane.nodeOps(first, [second, third], cniConfig({ podCidr, mode: "cross-subnet" }))).toEqual([
      forwarding,
      ...device,
      ...tunnelTo("192.168.9.0", "66:54:bd:6c:19:2d", "172.30.1.11"),
      direct("192.168.9.0/26"),
      direct("192.168.9.64/26"),
      ...tunnelTo("192.168.7.128", "66:5a:cd:e9:86:51", "172.30.2.12"),
      encapsulated("192.168.7.128/26", "192.168.7.128"),
      blackhole(80),
    ]);
  });

  it("direct: BIRD's routes, those to another subnet through the router", () => {
    const learned = (to: string, via: string): NetOp => ({
      op: "route-add",
      to,
      via,
      dev: "eth0",
      protocol: 12,
    });
    expect(dataplane.nodeOps(first, [second, third], cniConfig({ podCidr, mode: "direct", mtu: 1500 }))).toEqual([
      forwarding,
      learned("192.168.9.0/26", "172.30.1.11"),
      learned("192.168.9.64/26", "172.30.1.11"),
      learned("192.168.7.128/26", "172.30.1.1"),
      blackhole(12),
    ]);
  });

  it("adds ops for a new block and keeps the others as they were", () => {
    const config = cniConfig({ podCidr });
    const before = dataplane.nodeOps(first, [{ ...second, podCidrs: ["192.168.9.0/26"] }, third], config);
    const after = dataplane.nodeOps(first, [second, third], config);
    const known = new Set(before.map((op) => JSON.stringify(op)));
    expect(after.filter((op) => !known.has(JSON.stringify(op)))).toEqual([
      encapsulated("192.168.9.64/26", "192.168.9.0"),
    ]);
  });

  it("refuses an encapsulating node without a block", () => {
    expect(() => dataplane.nodeOps({ ...first, podCidrs: [] }, [], cniConfig({ podCidr }))).toThrow(
      expect.objectContaining({ code: "CNI_NO_POD_CIDR" }),
    );
  });

  it("leaves VXLAN's own packets out of connection tracking, where there are any", () => {
    const untracked = "udp dport 4789 notrack";
    expect(dataplane.nodeNft(first, cniConfig({ podCidr })).split(untracked)).toHaveLength(3);
    for (const mode of ["direct", "ipip"])
      expect(dataplane.nodeNft(first, cniConfig({ podCidr, mode }))).not.toContain(untracked);
  });

  it("masquerades what leaves the pool, and in the tunnel only where there is one", () => {
    const tunnelRule = "fib saddr . oif type != local fib saddr type local masquerade";
    expect(dataplane.nodeNft(first, cniConfig({ podCidr }))).toContain(tunnelRule);
    const direct = dataplane.nodeNft(first, cniConfig({ podCidr, mode: "direct" }));
    expect(direct).not.toContain(tunnelRule);
    expect(direct).toContain(
      "ip saddr @cali40masq-ipam-pools ip daddr != @cali40all-ipam-pools masquerade fully-random",
    );
  });
});

describe("calico and a pod", () => {
  const pod: CniPod = {
    namespace: "default",
    name: "nginx",
    uid: "u",
    addresses: ["192.168.5.65"],
    netns: "pod:nginx",
  };
  const other: CniPod = {
    ...pod,
    namespace: "shop",
    addresses: ["192.168.5.66"],
    netns: "pod:other",
  };

  it("is routed by a /32 at both ends, its gateway an address that nobody has", () => {
    // sha1("default.nginx") begins with c440f455693.
    const name = "calic440f455693";
    expect(dataplane.attachPod(pod, first, cniConfig({ podCidr }))).toEqual({
      hostInterface: name,
      lladdr: "1a:60:ee:39:33:9c",
      nodeOps: [
        {
          op: "veth-add",
          name,
          mtu: 1450,
          address: "ee:ee:ee:ee:ee:ee",
          up: true,
          peer: { name: "eth0", namespace: "pod:nginx", mtu: 1450, address: "1a:60:ee:39:33:9c" },
        },
        { op: "route-add", to: "192.168.5.65/32", dev: name, scope: "link" },
        { op: "neigh-add", dev: name, address: "192.168.5.65", lladdr: "1a:60:ee:39:33:9c" },
        { op: "link-without-ipv6-address", name },
        { op: "sysctl", key: `ipv4/conf/${name}/proxy_arp`, value: "1" },
        { op: "sysctl", key: `ipv4/conf/${name}/route_localnet`, value: "1" },
        { op: "sysctl", key: `ipv4/conf/${name}/forwarding`, value: "1" },
        { op: "sysctl", key: `ipv4/conf/${name}/rp_filter`, value: "1" },
        { op: "sysctl", key: `ipv4/neigh/${name}/proxy_delay`, value: "0" },
      ],
      podOps: [
        { op: "address-add", dev: "eth0", address: "192.168.5.65", prefixLength: 32 },
        { op: "link-up", name: "eth0" },
        { op: "route-add", to: "169.254.1.1/32", dev: "eth0", scope: "link" },
        { op: "route-add", to: "default", via: "169.254.1.1", dev: "eth0" },
        { op: "neigh-add", dev: "eth0", address: "169.254.1.1", lladdr: "ee:ee:ee:ee:ee:ee" },
      ],
    });
  });

  it("shares neither name nor hardware address with a namesake in another namespace", () => {
    const [a, b] = [pod, other].map((each) => dataplane.attachPod(each, first, cniConfig({ podCidr })));
    expect(a?.hostInterface).not.toBe(b?.hostInterface);
    expect(a?.lladdr).not.toBe(b?.lladdr);
    expect(b?.hostInterface).toMatch(/^cali[0-9a-f]{11}$/);
  });
});

describe("calico's addresses", () => {
  const ipam = (mode = "vxlan", cidr = podCidr, nodes = ["a", "b"]): CniIpam =>
    dataplane.ipam(nodes.map(plannedNode), cniConfig({ podCidr: cidr, mode }));
  const offset = (address: string, block: string): number =>
    parseNetwork(`${address}/32`).base - parseNetwork(block).base;

  it.each([
    ["vxlan", [1, 2]],
    ["cross-subnet", [1, 2]],
    ["direct", [0, 1]],
  ])("%s: count up in the node's block, after the tunnel's address where there is one", (mode, expected) => {
    const addresses = ipam(mode);
    const [block = ""] = addresses.cidrs("a");
    expect([addresses.assign("a"), addresses.assign("a")].map(({ address }) => offset(address, block))).toEqual(
      expected,
    );
  });

  it("come from a further block when the node's are full, which is told", () => {
    const addresses = ipam();
    for (let count = 0; count < 63; count += 1) expect(addresses.assign("a").addedCidr).toBeUndefined();
    const { address, addedCidr } = addresses.assign("a");
    expect(addresses.cidrs("a")).toEqual([expect.any(String), addedCidr]);
    expect(offset(address, addedCidr ?? "")).toBe(0);
  });

  it("go to the end of the block's queue when released", () => {
    const addresses = ipam("direct");
    const [block = ""] = addresses.cidrs("a");
    const { address } = addresses.assign("a");
    addresses.release("a", address);
    addresses.release("a", address);
    const next = Array.from({ length: 64 }, () => addresses.assign("a"));
    expect(next.map((each) => offset(each.address, block))).toEqual([
      ...Array.from({ length: 63 }, (_, index) => index + 1),
      0,
    ]);
    expect(next.every(({ addedCidr }) => addedCidr === undefined)).toBe(true);
  });

  it("end when the pool has no block left", () => {
    const addresses = ipam("direct", "192.168.0.0/25");
    for (let count = 0; count < 64; count += 1) addresses.assign("a");
    expect(() => addresses.assign("a")).toThrow(expect.objectContaining({ code: "IPAM_EXHAUSTED" }));
    expect(() => ipam("direct", "192.168.0.0/26")).toThrow(expect.objectContaining({ code: "IPAM_EXHAUSTED" }));
  });

  it("never repeat, and blocks never overlap", () => {
    const names = fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/), {
      minLength: 1,
      maxLength: 12,
    });
    const steps = fc.array(fc.record({ node: fc.nat(), releases: fc.boolean(), pick: fc.nat() }), {
      maxLength: 300,
    });
    fc.assert(
      fc.property(names, steps, (nodes, list) => {
        const addresses = ipam("vxlan", "10.0.0.0/20", nodes);
        const held: { node: string; address: string }[] = [];
        for (const { node, releases, pick } of list) {
          if (releases && held.length > 0) {
            const [gone] = held.splice(pick % held.length, 1);
            if (gone !== undefined) addresses.release(gone.node, gone.address);
          } else {
            const name = nodes[node % nodes.length] ?? "";
            held.push({ node: name, address: addresses.assign(name).address });
          }
        }
        const blocks = nodes.flatMap((node) => addresses.cidrs(node));
        expect(new Set(held.map(({ address }) => address)).size).toBe(held.length);
        expect(new Set(blocks).size).toBe(blocks.length);
        expect(blocks.every((block) => block.endsWith("/26"))).toBe(true);
      }),
    );
  });

  it("are the same for the same cluster", () => {
    const [one, two] = [ipam(), ipam()];
    expect([one.cidrs("a"), one.cidrs("b"), one.assign("a")]).toEqual([
      two.cidrs("a"),
      two.cidrs("b"),
      two.assign("a"),
    ]);
  });
});
