import { describe, expect, it } from "vitest";
import { proxyRuleset, proxyTables } from "../../../../src/engine/nft/proxy-ruleset.ts";
import type { ProxyRulesetInput } from "../../../../src/engine/nft/proxy-ruleset.ts";
import { updateTables } from "../../../../src/engine/nft/update-table.ts";
import type { EndpointSlice } from "../../../../src/kube/types.ts";
import { linesOf, service, slice } from "./objects.ts";

const svc1 = service("ns1/svc1", ["172.30.0.41"], [{ name: "p80", port: 80 }]);
const http = [{ name: "p80", port: 80 }];
const ready = (...addresses: string[]): EndpointSlice["endpoints"] =>
  addresses.map((address) => ({ addresses: [address], conditions: { ready: true } }));

function ruleset(input: Partial<ProxyRulesetInput>): string {
  return proxyRuleset({
    services: [svc1],
    endpointSlices: [slice("ns1/svc1", "IPv4", ready("10.180.0.1"), http)],
    clusterCidrs: ["10.0.0.0/8"],
    serviceCidrs: ["172.30.0.0/16"],
    node: "worker1",
    ...input,
  });
}

const served = (text: string): string | undefined =>
  linesOf(text, "map service-ips").find((line) => line.startsWith("elements"));
const unserved = (text: string): string | undefined =>
  linesOf(text, "map no-endpoint-services").find((line) => line.startsWith("elements"));
const targets = (text: string): string[] => [...text.matchAll(/dnat to (\S+)/g)].map(([, target]) => target ?? "");

describe("a Service with endpoints", () => {
  it("has the chains and names that kube-proxy gives it", () => {
    const text = ruleset({});
    expect(served(text)).toBe("elements = { 172.30.0.41 . tcp . 80 : goto service-ULMVA6XW-ns1/svc1/tcp/p80 }");
    expect(linesOf(text, "chain service-ULMVA6XW-ns1/svc1/tcp/p80")).toEqual([
      "ip daddr 172.30.0.41 ip saddr != { 10.0.0.0/8 } jump mark-for-masquerade",
      "numgen random mod 1 vmap { 0 : goto endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80 }",
    ]);
    expect(linesOf(text, "chain endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80")).toEqual([
      "ip saddr 10.180.0.1 jump mark-for-masquerade",
      "meta l4proto tcp dnat to 10.180.0.1:80",
    ]);
  });

  it("chooses at random among all of them, whichever slice they are in", () => {
    const endpointSlices = [
      slice("ns1/svc1", "IPv4", ready("10.0.0.3", "10.0.0.1"), http),
      slice("ns1/svc1", "IPv4", ready("10.0.0.2", "10.0.0.1"), http),
    ];
    const text = ruleset({ endpointSlices });
    expect(targets(text)).toEqual(["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]);
    expect(text).toContain("numgen random mod 3 vmap { 0 : goto ");
  });

  it("goes to the port that the slice gives this Service port", () => {
    const services = [
      service(
        "ns1/svc1",
        ["172.30.0.41"],
        [
          { name: "dns", port: 53, protocol: "UDP" },
          { name: "http", port: 80 },
        ],
      ),
    ];
    const ports = [
      { name: "http", port: 8080 },
      { name: "dns", port: 5353, protocol: "UDP" as const },
    ];
    const text = ruleset({
      services,
      endpointSlices: [slice("ns1/svc1", "IPv4", ready("10.0.0.1"), ports)],
    });
    expect(targets(text)).toEqual(["10.0.0.1:5353", "10.0.0.1:8080"]);
    expect(text).toContain("meta l4proto udp dnat to 10.0.0.1:5353");
  });

  it("leaves out what is not ready, unless nothing else serves", () => {
    const terminating = {
      addresses: ["10.0.0.2"],
      conditions: { ready: false, serving: true, terminating: true },
    };
    const starting = { addresses: ["10.0.0.3"], conditions: { ready: false } };
    const of = (endpoints: EndpointSlice["endpoints"]): string =>
      ruleset({ endpointSlices: [slice("ns1/svc1", "IPv4", endpoints, http)] });
    expect(targets(of([...ready("10.0.0.1"), terminating, starting]))).toEqual(["10.0.0.1:80"]);
    expect(targets(of([terminating, starting]))).toEqual(["10.0.0.2:80"]);
  });

  it("takes no endpoint of a namesake elsewhere", () => {
    expect(targets(ruleset({ endpointSlices: [slice("ns2/svc1", "IPv4", ready("10.0.0.1"), http)] }))).toEqual([]);
  });

  it("with internalTrafficPolicy Local stays on the node, and is silent where it has nothing there", () => {
    const services = [
      service("ns1/svc1", ["172.30.0.41"], [{ name: "p80", port: 80 }], {
        internalTrafficPolicy: "Local",
      }),
    ];
    const endpoints = [
      { addresses: ["10.0.0.1"], nodeName: "worker1" },
      { addresses: ["10.0.0.2"], nodeName: "worker2" },
    ];
    const endpointSlices = [slice("ns1/svc1", "IPv4", endpoints, http)];
    expect(targets(ruleset({ services, endpointSlices }))).toEqual(["10.0.0.1:80"]);
    expect(unserved(ruleset({ services, endpointSlices, node: "worker3" }))).toBe(
      "elements = { 172.30.0.41 . tcp . 80 : goto drop-chain }",
    );
  });
});

describe("what is refused", () => {
  it("is a Service without endpoints: recorded, then rejected", () => {
    const text = ruleset({ endpointSlices: [] });
    expect(served(text)).toBeUndefined();
    expect(unserved(text)).toBe("elements = { 172.30.0.41 . tcp . 80 : goto reject-chain }");
    expect(linesOf(text, "chain reject-chain")).toEqual([
      "meta l4proto { tcp, udp, sctp } update @rejects { ip saddr . ip daddr . meta l4proto . th sport . th dport }",
      "meta l4proto icmp update @rejects-icmp { ip saddr . ip daddr }",
      "counter reject",
    ]);
  });

  it("is another port of a ClusterIP, and an address that no Service has", () => {
    expect(linesOf(ruleset({}), "chain cluster-ips-check")).toEqual([
      'ip daddr @cluster-ips goto reject-chain comment "Reject traffic to invalid ports of ClusterIPs"',
      'ip daddr { 172.30.0.0/16 } goto drop-chain comment "Drop traffic to unallocated ClusterIPs"',
    ]);
    expect(linesOf(ruleset({}), "set cluster-ips").at(-1)).toBe("elements = { 172.30.0.41 }");
  });
});

describe("Services without a ClusterIP", () => {
  it.each([
    ["headless", service("ns1/svc1", [], http, { clusterIP: "None", clusterIPs: ["None"] })],
    ["not yet assigned", service("ns1/svc1", [], http, { clusterIP: "", clusterIPs: [] })],
    ["ExternalName", service("ns1/svc1", ["172.30.0.41"], http, { type: "ExternalName" })],
  ])("have no rules: %s", (_, headless) => {
    const text = ruleset({ services: [headless] });
    expect([served(text), unserved(text)]).toEqual([undefined, undefined]);
  });
});

describe("the text", () => {
  it("has an ip6 table where the cluster has IPv6, with its own Services in it", () => {
    const text = ruleset({
      services: [service("ns1/svc1", ["172.30.0.41", "fd00:96::1"], http)],
      endpointSlices: [
        slice("ns1/svc1", "IPv4", ready("10.0.0.1"), http),
        slice("ns1/svc1", "IPv6", ready("fd00:10::5"), http),
      ],
      clusterCidrs: ["10.0.0.0/8", "fd00:10::/64"],
      serviceCidrs: ["172.30.0.0/16", "fd00:96::/112"],
    });
    expect(text).toContain("table ip6 kube-proxy {");
    expect(targets(text)).toEqual(["10.0.0.1:80", "[fd00:10::5]:80"]);
    expect(text).toContain("ip6 daddr fd00:96::1 ip6 saddr != { fd00:10::/64 } jump mark-for-masquerade");
    expect(ruleset({})).not.toContain("ip6");
  });

  it("is the same for the same objects in another order", () => {
    const svc2 = service("ns1/svc2", ["172.30.0.42"], http);
    const slices = [
      slice("ns1/svc1", "IPv4", ready("10.0.0.1", "10.0.0.2"), http),
      slice("ns1/svc2", "IPv4", ready("10.0.0.2"), http),
    ];
    const one = ruleset({ services: [svc1, svc2], endpointSlices: slices });
    expect(ruleset({ services: [svc2, svc1], endpointSlices: slices.toReversed() })).toBe(one);
  });

  it("keeps what has not changed as the same objects: with another endpoint all but its Service's own", () => {
    const svc2 = service("ns1/svc2", ["172.30.0.42"], http);
    const own = slice("ns1/svc1", "IPv4", ready("10.0.0.1"), http);
    const groups = (...endpoints: string[]) => {
      const endpointSlices = [own, slice("ns1/svc2", "IPv4", ready(...endpoints), http)];
      const cidrs = { clusterCidrs: ["10.0.0.0/8"], serviceCidrs: ["172.30.0.0/16"] };
      const [table] = proxyTables({ services: [svc1, svc2], endpointSlices, ...cidrs, node: "worker1" });
      return table?.groups ?? [];
    };
    const before = groups("10.0.0.2");
    const after = groups("10.0.0.2", "10.0.0.3");
    const changed = after.filter((group, index) => group !== before[index]);
    expect(changed).toHaveLength(1);
    expect(changed[0]?.map(({ name }) => name).filter((name) => name.includes("svc2"))).toHaveLength(3);
    // The last endpoint leads to other maps.
    const without = groups();
    expect(without.filter((group, index) => group !== before[index]).length).toBe(2);
  });

  it("takes no address as syntax", () => {
    expect(() => ruleset({ services: [service("ns1/svc1", ["172.30.0.41 } ; flush ruleset"], http)] })).toThrow(
      expect.objectContaining({ code: "BAD_ADDRESS" }),
    );
  });

  it("keeps chain names within 128 characters", () => {
    const name = `${"a".repeat(63)}`;
    const services = [service(`${name}/${name}`, ["172.30.0.41"], [{ name, port: 80 }])];
    const text = ruleset({
      services,
      endpointSlices: [slice(`${name}/${name}`, "IPv4", ready("10.0.0.1", "10.0.0.2"), [{ name, port: 80 }])],
    });
    const names = [...text.matchAll(/chain (\S+) \{/g)].map(([, chain]) => chain ?? "");
    expect(Math.max(...names.map((chain) => chain.length))).toBeLessThanOrEqual(128);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe("a node port", () => {
  const endpoints = [
    { addresses: ["10.0.0.1"], nodeName: "worker1" },
    { addresses: ["10.0.0.2"], nodeName: "worker2" },
  ];
  const exposed = (spec: Record<string, unknown>, node = "worker1"): string =>
    ruleset({
      services: [
        service("ns1/svc1", ["172.30.0.41"], [{ name: "p80", port: 80, nodePort: 30_080 }], {
          type: "NodePort",
          ...spec,
        }),
      ],
      endpointSlices: [slice("ns1/svc1", "IPv4", endpoints, http)],
      nodeAddresses: ["192.168.0.1"],
      node,
    });

  it("masquerades and goes where the ClusterIP goes", () => {
    const text = exposed({});
    expect(linesOf(text, "set nodeport-ips")).toContain("elements = { 192.168.0.1 }");
    expect(linesOf(text, "map service-nodeports")).toContain(
      "elements = { tcp . 30080 : goto external-ULMVA6XW-ns1/svc1/tcp/p80 }",
    );
    expect(linesOf(text, "chain external-ULMVA6XW-ns1/svc1/tcp/p80")).toEqual([
      "jump mark-for-masquerade",
      "goto service-ULMVA6XW-ns1/svc1/tcp/p80",
    ]);
  });

  it("with externalTrafficPolicy Local keeps callers from outside to the node's own endpoints", () => {
    const text = exposed({ externalTrafficPolicy: "Local" });
    expect(linesOf(text, "chain external-ULMVA6XW-ns1/svc1/tcp/p80")).toEqual([
      "ip saddr { 10.0.0.0/8 } goto service-ULMVA6XW-ns1/svc1/tcp/p80",
      "fib saddr type local jump mark-for-masquerade",
      "fib saddr type local goto service-ULMVA6XW-ns1/svc1/tcp/p80",
      "goto local-ULMVA6XW-ns1/svc1/tcp/p80",
    ]);
    expect(linesOf(text, "chain local-ULMVA6XW-ns1/svc1/tcp/p80")).toHaveLength(1);
    const elsewhere = exposed({ externalTrafficPolicy: "Local" }, "worker3");
    expect(linesOf(elsewhere, "map no-endpoint-nodeports")).toContain("elements = { tcp . 30080 : goto drop-chain }");
    expect(linesOf(elsewhere, "chain external-ULMVA6XW-ns1/svc1/tcp/p80")).toHaveLength(3);
  });
});

describe("addresses for the outside", () => {
  const balanced = (spec: Record<string, unknown>, ingress: object[] = [{ ip: "192.168.0.200" }]): string =>
    ruleset({
      services: [
        {
          ...service("ns1/svc1", ["172.30.0.41"], http, { type: "LoadBalancer", ...spec }),
          status: { loadBalancer: { ingress } },
        },
      ],
      endpointSlices: [slice("ns1/svc1", "IPv4", [{ addresses: ["10.0.0.1"], nodeName: "worker1" }], http)],
    });
  const name = "ULMVA6XW-ns1/svc1/tcp/p80";

  it("are those of a load balancer and externalIPs, at the Service's own port", () => {
    expect(served(balanced({ externalIPs: ["192.168.0.9"] }))).toBe(
      `elements = { 172.30.0.41 . tcp . 80 : goto service-${name}, 192.168.0.200 . tcp . 80 : goto external-${name}, 192.168.0.9 . tcp . 80 : goto external-${name} }`,
    );
  });

  it("are not those that the balancer itself answers at", () => {
    expect(served(balanced({}, [{ ip: "192.168.0.200", ipMode: "Proxy" }]))).not.toContain("192.168.0.200");
  });

  it("with externalTrafficPolicy Local are silent on a node without an endpoint, but for callers of the cluster", () => {
    const endpointSlices = [slice("ns1/svc1", "IPv4", [{ addresses: ["10.0.0.1"], nodeName: "worker1" }], http)];
    const local = {
      ...service("ns1/svc1", ["172.30.0.41"], http, { type: "LoadBalancer", externalTrafficPolicy: "Local" }),
      status: { loadBalancer: { ingress: [{ ip: "192.168.0.200" }] } },
    };
    const text = ruleset({ services: [local], endpointSlices, node: "worker2" });
    expect(unserved(text)).toBe("elements = { 192.168.0.200 . tcp . 80 : goto drop-chain }");
    expect(linesOf(text, `chain external-${name}`)).toHaveLength(3);
  });

  it("are for loadBalancerSourceRanges alone, where there are some", () => {
    const text = balanced({
      loadBalancerSourceRanges: ["198.51.100.0/25", "198.51.100.128/25"],
      externalIPs: ["192.168.0.9"],
    });
    expect(linesOf(text, "map firewall-ips").at(-1)).toBe(
      `elements = { 192.168.0.200 . tcp . 80 : goto firewall-${name} }`,
    );
    expect(linesOf(text, `chain firewall-${name}`)).toEqual(["ip saddr { 198.51.100.0/24 } return", "goto drop-chain"]);
    const others = balanced({ loadBalancerSourceRanges: ["2001:db8::/32"] });
    expect(linesOf(others, `chain firewall-${name}`)).toEqual(["goto drop-chain"]);
  });

  it("belong to the first of two Services with the same externalIPs and port", () => {
    const of = (path: string, clusterIp: string): ReturnType<typeof service> =>
      service(path, [clusterIp], http, { externalIPs: ["192.168.0.9"] });
    const text = ruleset({
      services: [of("ns1/svc2", "172.30.0.42"), of("ns1/svc1", "172.30.0.41")],
      endpointSlices: ["svc1", "svc2"].map((each) => slice(`ns1/${each}`, "IPv4", ready("10.0.0.1"), http)),
    });
    expect([...(served(text) ?? "").matchAll(/192\.168\.0\.9 \. tcp \. 80 : goto (\S+)/g)].map(([, to]) => to)).toEqual(
      [`external-${name},`],
    );
  });
});

describe("session affinity", () => {
  const affine = (seconds: number, ...addresses: string[]): string =>
    ruleset({
      services: [
        service("ns1/svc1", ["172.30.0.41"], [{ name: "p80", port: 80 }], {
          sessionAffinity: "ClientIP",
          sessionAffinityConfig: { clientIP: { timeoutSeconds: seconds } },
        }),
      ],
      endpointSlices: [slice("ns1/svc1", "IPv4", ready(...addresses), http)],
    });
  const suffix = "5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80";

  it("asks each endpoint's set for the client before it draws, and writes down who came", () => {
    const text = affine(60, "10.180.0.1");
    expect(linesOf(text, `set affinity-${suffix}`)).toEqual([
      "type ipv4_addr; size 16384; flags dynamic,timeout; timeout 60s",
    ]);
    expect(linesOf(text, "chain service-ULMVA6XW-ns1/svc1/tcp/p80").slice(1)).toEqual([
      `ip saddr @affinity-${suffix} goto endpoint-${suffix}`,
      `numgen random mod 1 vmap { 0 : goto endpoint-${suffix} }`,
    ]);
    expect(linesOf(text, `chain endpoint-${suffix}`)).toContain(`update @affinity-${suffix} { ip saddr }`);
  });

  it("keeps what a set holds over an update, unless the endpoint went or the time is another", () => {
    const kept = updateTables(affine(60, "10.180.0.1"), affine(60, "10.180.0.1", "10.180.0.2"));
    expect(kept).not.toContain("delete set ip kube-proxy affinity-");
    const gone = `delete set ip kube-proxy affinity-${suffix}`;
    expect(updateTables(affine(60, "10.180.0.1"), affine(60, "10.180.0.2"))).toContain(gone);
    expect(updateTables(affine(60, "10.180.0.1"), affine(61, "10.180.0.1"))).toContain(gone);
  });
});

describe("a Service with hints", () => {
  type Endpoint = EndpointSlice["endpoints"][number];
  const at = (address: string, zone: string, node?: string): Endpoint => ({
    addresses: [address],
    conditions: { ready: true },
    nodeName: node ?? "worker9",
    hints: { forZones: [{ name: zone }], ...(node !== undefined && { forNodes: [{ name: node }] }) },
  });
  const chosen = (endpoints: Endpoint[], place: { node: string; zone?: string }, services = [svc1]): string[] =>
    targets(ruleset({ ...place, services, endpointSlices: [slice("ns1/svc1", "IPv4", endpoints, http)] }));
  const [NORTH, SOUTH, BOTH] = ["10.0.0.1:80", "10.0.0.2:80", ["10.0.0.1:80", "10.0.0.2:80"]];
  const zoned = [at("10.0.0.1", "north"), at("10.0.0.2", "south")];

  it("sends callers of a zone to the zone's endpoints, and those of a zone without any to all", () => {
    expect(chosen(zoned, { node: "worker1", zone: "north" })).toEqual([NORTH]);
    expect(chosen(zoned, { node: "worker1", zone: "south" })).toEqual([SOUTH]);
    expect(chosen(zoned, { node: "worker1", zone: "west" })).toEqual(BOTH);
    expect(chosen(zoned, { node: "worker1" })).toEqual(BOTH);
  });

  it("sends callers of a node to the node's, else to the zone's", () => {
    const endpoints = [at("10.0.0.1", "north", "worker1"), at("10.0.0.2", "north", "worker2")];
    expect(chosen(endpoints, { node: "worker1", zone: "north" })).toEqual([NORTH]);
    expect(chosen(endpoints, { node: "worker3", zone: "north" })).toEqual(BOTH);
    expect(chosen([...endpoints, at("10.0.0.3", "south", "worker4")], { node: "worker3", zone: "north" })).toEqual(
      BOTH,
    );
  });

  it("has none where a ready endpoint has no hint, and counts those alone that are ready", () => {
    const bare = { addresses: ["10.0.0.3"], conditions: { ready: true } };
    expect(chosen([...zoned, bare], { node: "worker1", zone: "north" })).toEqual([...BOTH, "10.0.0.3:80"]);
    const notReady = { ...bare, conditions: { ready: false } };
    expect(chosen([...zoned, notReady], { node: "worker1", zone: "north" })).toEqual([NORTH]);
    const [north, south] = zoned;
    const leaving = { ready: false, serving: true, terminating: true };
    expect(
      chosen([{ ...north, conditions: leaving } as Endpoint, south as Endpoint], { node: "worker1", zone: "north" }),
    ).toEqual([SOUTH]);
  });

  it("keeps to its own node all the same where the policy says so", () => {
    const local = service("ns1/svc1", ["172.30.0.41"], [{ name: "p80", port: 80 }], { internalTrafficPolicy: "Local" });
    const endpoints = [{ ...at("10.0.0.1", "north"), nodeName: "worker1" }, at("10.0.0.2", "south")];
    expect(chosen(endpoints, { node: "worker1", zone: "south" }, [local])).toEqual([NORTH]);
  });
});
