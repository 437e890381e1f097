import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { weave } from "../../../../src/cnis/weave/weave.ts";
import type { CniConfig, CniDataplane, CniPod } from "../../../../src/cnis/types.ts";
import type { NetOp } from "../../../../src/kernel/net-ops.ts";
import { policyWarnings } from "../../../../src/engine/nft/policy-enforcer.ts";
import type { NetworkPolicy } from "../../../../src/kube/types.ts";
import { cniConfig, plannedNode, threeNodes } from "../cluster.ts";

const dataplane = weave.dataplane as CniDataplane;
const nodes = threeNodes([["10.32.0.0/13"], ["10.40.0.0/14"], ["10.44.0.0/14"]]);
const [first, second, third] = nodes;
const config = (overrides: Partial<CniConfig> = {}): CniConfig =>
  cniConfig({ mode: "fastdp", podCidr: "10.32.0.0/12", mtu: 1376, ...overrides });

const bySpi = (one: { spi: number }, other: { spi: number }): number => one.spi - other.spi;

describe("weave on a node", () => {
  it("is a bridge in the pod network, a tunnel to all other nodes as its port, and their bridges as neighbours", () => {
    expect(dataplane.nodeOps(second, [first, third], config())).toEqual([
      { op: "sysctl", key: "ipv4/ip_forward", value: "1" },
      { op: "sysctl", key: "bridge/bridge-nf-call-iptables", value: "1" },
      { op: "bridge-add", name: "weave", mtu: 1376, address: expect.stringMatching(/^[0-9a-f:]{17}$/) as string },
      { op: "address-add", dev: "weave", address: "10.40.0.0", prefixLength: 12 },
      { op: "link-up", name: "weave" },
      {
        op: "vxlan-add",
        name: "vxlan-6784",
        vni: 1,
        local: "172.30.1.11",
        dev: "eth0",
        port: 6784,
        mtu: 1376,
        address: expect.stringMatching(/^[0-9a-f:]{17}$/) as string,
        learning: true,
      },
      { op: "link-set", name: "vxlan-6784", master: "weave" },
      { op: "link-up", name: "vxlan-6784" },
      { op: "fdb-add", dev: "vxlan-6784", lladdr: "00:00:00:00:00:00", dst: "172.30.1.10" },
      { op: "fdb-add", dev: "vxlan-6784", lladdr: "00:00:00:00:00:00", dst: "172.30.2.12" },
      { op: "neigh-add", dev: "weave", address: "10.32.0.1", lladdr: expect.any(String) as string },
      { op: "neigh-add", dev: "weave", address: "10.44.0.0", lladdr: expect.any(String) as string },
    ]);
  });

  it("has the hardware address that the other nodes expect of it", () => {
    const own = dataplane.nodeOps(second, [first], config()).find(({ op }) => op === "bridge-add");
    const seen = dataplane.nodeOps(first, [second], config()).find(({ op }) => op === "neigh-add");
    expect(own).toMatchObject({ address: (seen as { lladdr: string }).lladdr });
  });

  it("sleeve has its own port", () => {
    const ops = dataplane.nodeOps(first, [], config({ mode: "sleeve" }));
    expect(ops).toContainEqual(expect.objectContaining({ op: "vxlan-add", name: "vxlan-6783", port: 6783 }));
  });

  it("refuses a node without a share", () => {
    expect(() => dataplane.nodeOps({ ...first, podCidrs: [] }, [], config())).toThrow(
      expect.objectContaining({ code: "CNI_NO_POD_CIDR" }),
    );
  });

  it("masquerades what leaves the pod network and what enters it, but not on the way to pods of the node", () => {
    const rules = dataplane.nodeNft({ ...second, podCidrs: ["10.40.0.0/14", "10.38.0.0/15"] }, config());
    const lines = rules.split("\n").map((line) => line.trim());
    expect(lines).toContain("elements = { 10.40.0.0/14, 10.38.0.0/15 }");
    expect(lines.filter((line) => line.startsWith("ip "))).toEqual([
      'ip daddr @weaver-no-masq-local return comment "Prevent SNAT to locally running containers"',
      "ip saddr 10.32.0.0/12 ip daddr 224.0.0.0/4 return",
      "ip saddr != 10.32.0.0/12 ip daddr 10.32.0.0/12 masquerade",
      "ip saddr 10.32.0.0/12 ip daddr != 10.32.0.0/12 masquerade",
    ]);
  });

  it("encrypts fastdp by ESP: what one node sends by, the other receives by, and each direction has its own key", () => {
    type State = Extract<NetOp, { op: "esp-state-add" }>;
    const encrypted = config({ mode: "fastdp", options: { encrypted: true } });
    const statesOf = (ops: readonly NetOp[]): State[] => ops.filter((op): op is State => op.op === "esp-state-add");
    const [ofFirst, ofSecond] = [
      dataplane.nodeOps(first, [second], encrypted),
      dataplane.nodeOps(second, [first], encrypted),
    ];
    const states = statesOf(ofFirst);
    expect(statesOf(ofSecond).toSorted(bySpi)).toEqual(states.toSorted(bySpi));
    expect(new Set(states.map(({ key }) => key)).size).toBe(2);
    expect(states.map(({ key }) => Buffer.from(key, "base64").length)).toEqual([36, 36]);
    const out = states.find(({ source }) => source === first.address);
    expect(ofFirst.filter(({ op }) => op === "esp-policy-add")).toEqual([
      {
        op: "esp-policy-add",
        source: first.address,
        destination: second.address,
        spi: out?.spi,
        mark: 0x20000,
      },
    ]);
    expect(dataplane.nodeNft(first, encrypted)).toContain("table ip weave-ipsec");
    expect(dataplane.nodeNft(first, config({ mode: "fastdp" }))).not.toContain("weave-ipsec");
    expect(dataplane.nodeOps(first, [second], config({ mode: "fastdp" })).some(({ op }) => op.startsWith("esp-"))).toBe(
      false,
    );
  });

  it("encrypts in no user space, and says what it can", () => {
    expect(dataplane.lacks?.({ mode: "sleeve", options: { encrypted: true } })).toContain("mode fastdp encrypts");
    expect(dataplane.lacks?.({ mode: "fastdp", options: { encrypted: true } })).toBeUndefined();
    expect(dataplane.lacks?.({ mode: "sleeve", options: { encrypted: false } })).toBeUndefined();
    expect(dataplane.lacks?.({ mode: "sleeve", options: {} })).toBeUndefined();
    expect(dataplane.kernel?.({ mode: "fastdp", options: { encrypted: true } })).toEqual(["esp"]);
    expect(dataplane.kernel?.({ mode: "fastdp", options: {} })).toEqual([]);
  });
});

describe("weave and a pod", () => {
  const pod: CniPod = { namespace: "shop", name: "web", uid: "u-1", addresses: ["10.40.0.1"], netns: "pod:web" };

  it("is a hairpin port of the bridge, with the whole pod network on its link", () => {
    const { hostInterface, lladdr, nodeOps, podOps } = dataplane.attachPod(pod, second, config());
    expect(hostInterface).toBe("vethwepl8ccfeb7");
    expect(nodeOps).toEqual([
      {
        op: "veth-add",
        name: hostInterface,
        mtu: 1376,
        peer: { name: "eth0", namespace: "pod:web", mtu: 1376, address: lladdr },
      },
      { op: "link-set", name: hostInterface, master: "weave", hairpin: true },
      { op: "link-up", name: hostInterface },
    ]);
    expect(podOps).toEqual([
      { op: "address-add", dev: "eth0", address: "10.40.0.1", prefixLength: 12 },
      { op: "link-up", name: "eth0" },
      { op: "route-add", to: "default", via: "10.40.0.0", dev: "eth0" },
    ]);
  });

  it("with neighbours pins its node's bridge and the others", () => {
    const neighbours = [{ address: "10.44.0.1", lladdr: "02:00:00:00:00:01" }];
    const { podOps } = dataplane.attachPod({ ...pod, neighbours }, second, config());
    expect(podOps.slice(3)).toEqual([
      { op: "neigh-add", dev: "eth0", address: "10.40.0.0", lladdr: expect.any(String) as string },
      { op: "neigh-add", dev: "eth0", ...neighbours[0] },
    ]);
  });

  it("has another hardware address when it is made anew, so that nobody sends to where it was", () => {
    const again = dataplane.attachPod({ ...pod, uid: "u-2" }, second, config());
    expect(again.lladdr).not.toBe(dataplane.attachPod(pod, second, config()).lladdr);
  });
});

describe("weave's addresses", () => {
  const ipam = (podCidr = "10.32.0.0/12", names = ["a", "b", "c"]) =>
    dataplane.ipam(names.map(plannedNode), config({ podCidr }));

  it("are halves of halves of the pod network, each node's first one its bridge's", () => {
    const addresses = ipam();
    expect(["a", "b", "c"].map((node) => addresses.cidrs(node))).toEqual([
      ["10.32.0.0/13"],
      ["10.40.0.0/14"],
      ["10.44.0.0/14"],
    ]);
    expect(["a", "b", "c", "c"].map((node) => addresses.assign(node))).toEqual([
      { address: "10.32.0.2" },
      { address: "10.40.0.1" },
      { address: "10.44.0.1" },
      { address: "10.44.0.2" },
    ]);
  });

  it("are given out again at once", () => {
    const addresses = ipam();
    addresses.assign("a");
    addresses.assign("a");
    addresses.release("a", "10.32.0.2");
    expect(addresses.assign("a").address).toBe("10.32.0.2");
    expect(addresses.assign("a").address).toBe("10.32.0.4");
  });

  it("come from another node's share when the own one is used up, at most half of what is free there", () => {
    const addresses = ipam("10.32.0.0/28", ["a", "b"]);
    expect(addresses.cidrs("b")).toEqual(["10.32.0.8/29"]);
    for (let count = 0; count < 6; count += 1) addresses.assign("b");
    expect(addresses.assign("b")).toEqual({ address: "10.32.0.6", addedCidr: "10.32.0.6/31" });
    expect(addresses.cidrs("a")).toEqual(["10.32.0.0/30", "10.32.0.4/31"]);
    expect(addresses.cidrs("b")).toEqual(["10.32.0.8/29", "10.32.0.6/31"]);
  });

  it("end with the pod network, its first and last address nobody's", () => {
    const addresses = ipam("10.32.0.0/28", ["a", "b"]);
    const given = Array.from({ length: 12 }, () => addresses.assign("a").address);
    expect(new Set([...given, "10.32.0.1", "10.32.0.8"]).size).toBe(14);
    expect(given).not.toContain("10.32.0.0");
    expect(given).not.toContain("10.32.0.15");
    expect(() => addresses.assign("a")).toThrow(expect.objectContaining({ code: "IPAM_EXHAUSTED" }));
  });

  it("are refused where not even every node can have one", () => {
    expect(() => ipam("10.32.0.0/30")).toThrow(expect.objectContaining({ code: "IPAM_EXHAUSTED" }));
  });

  it("give a node that joins later a share of another's", () => {
    const addresses = ipam();
    const { address } = addresses.assign("late");
    expect(addresses.cidrs("late")).toEqual(["10.38.0.0/15"]);
    expect(address).toBe("10.38.0.1");
  });

  it("are never held by two pods, and every node's lie in what it holds", () => {
    const step = fc.record({ node: fc.constantFrom("a", "b", "c"), releases: fc.boolean(), pick: fc.nat() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const addresses = ipam("10.32.0.0/25");
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
        const last = (text: string): number => Number(text.split(".")[3]);
        for (const { node, address } of held) {
          const isOwn = addresses.cidrs(node).some((cidr) => {
            const [base = "", length] = cidr.split("/");
            return last(address) >= last(base) && last(address) < last(base) + 2 ** (32 - Number(length));
          });
          expect(isOwn).toBe(true);
        }
      }),
    );
  });
});

describe("weave-npc and a policy", () => {
  const policy = (spec: NetworkPolicy["spec"]): NetworkPolicy => ({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { namespace: "shop", name: "p" },
    spec,
  });
  const enforced = dataplane.policy?.enforced;

  it("refuses it whole where any rule names a port", () => {
    const named = [{ ports: [{ port: 80 }, { port: "http" }] }];
    expect(enforced?.(policy({ podSelector: {}, ingress: named }))).toBeUndefined();
    expect(enforced?.(policy({ podSelector: {}, ingress: [{}], egress: named }))).toBeUndefined();
  });

  it("takes the first port of a range for all of it, and leaves the rest of the policy as it is", () => {
    const spec: NetworkPolicy["spec"] = {
      podSelector: { matchLabels: { app: "web" } },
      policyTypes: ["Ingress"],
      ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 80, endPort: 90, protocol: "UDP" }] }, {}],
    };
    expect(enforced?.(policy(spec))?.spec).toEqual({
      ...spec,
      ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 80, protocol: "UDP" }] }, {}],
    });
    expect(spec.ingress?.[0]?.ports?.[0]?.endPort).toBe(90);
  });

  it("is told to whoever applies it, where not all of it is enforced", () => {
    const told = (spec: NetworkPolicy["spec"]): string[] =>
      policyWarnings("weave", dataplane.policy, policy(spec)).map(({ code, message }) => `${code} ${message}`);
    expect(told({ podSelector: {}, egress: [{ ports: [{ port: "http" }] }] })).toEqual([
      "POLICY_NOT_WHOLLY_ENFORCED NetworkPolicy shop/p: weave-npc refuses a policy that names a port, and enforces nothing of it",
    ]);
    expect(told({ podSelector: {}, ingress: [{ ports: [{ port: 80, endPort: 90 }] }] })).toEqual([
      "POLICY_NOT_WHOLLY_ENFORCED NetworkPolicy shop/p: weave-npc does not look at endPort: of a range of ports the first alone counts",
    ]);
    expect(told({ podSelector: {}, ingress: [{ ports: [{ port: 80 }] }, {}] })).toEqual([]);
  });
});
