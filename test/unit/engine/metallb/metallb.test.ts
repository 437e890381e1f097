import { afterEach, describe, expect, it } from "vitest";
import { createControlPlane, createStore, type ControlPlane } from "../../../../src/engine/control-plane.ts";
import { announcedAddresses } from "../../../../src/engine/metallb/election.ts";
import type { EndpointSlice, KubeObject, NodeObject, Service } from "../../../../src/kube/types.ts";
import { FakeRuntime } from "../fake-runtime.ts";
import { service } from "../store/objects.ts";

const cluster = { serviceCidrs: ["10.96.0.0/16"], dnsAddress: "10.96.0.10", dnsDomain: "cluster.local" };
const dual = { ...cluster, serviceCidrs: ["10.96.0.0/16", "fd00:10:96::/112"] };
const NODES = ["worker1", "worker2", "worker3"];

let plane: ControlPlane;
afterEach(() => plane.close());

async function start(addressPool: string | string[] = "192.0.2.10-192.0.2.11"): Promise<void> {
  const isDual = typeof addressPool !== "string";

  const nodes = NODES.map((name, index) => ({
    name,
    role: "worker" as const,
    labels: {},
    taints: [],
    interfaces: [{ addresses: [`192.0.2.${index + 2}`] }],
  }));
  plane = createControlPlane({
    nodes,
    cluster: isDual ? dual : cluster,
    runtime: new FakeRuntime(),
    store: createStore({ cluster: isDual ? dual : cluster }),
    addressPool: isDual ? addressPool : [addressPool],
  });
  await plane.settle();
}

const balanced = (
  name: string,
  spec: Partial<Service["spec"]> = {},
  annotations: Record<string, string> = {},
): Service => {
  const object = service(name, { type: "LoadBalancer", ports: [{ port: 80 }], ...spec });
  return { ...object, metadata: { ...object.metadata, annotations } };
};
const pool = (name: string, spec: object): KubeObject => ({
  apiVersion: "metallb.io/v1beta1",
  kind: "IPAddressPool",
  metadata: { name, namespace: "metallb-system" },
  spec,
});

async function applied(...objects: KubeObject[]): Promise<void> {
  plane.apply(objects);
  await plane.settle();
}

function addressesOf(name: string): (string | undefined)[] {
  return (plane.store.get("Service", name, "default")?.status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip);
}

function addressOf(name: string): string | undefined {
  return addressesOf(name)[0];
}

function eventsOf(name: string): string[] {
  return plane.store
    .all({ kind: "Event" })
    .filter(({ involvedObject }) => (involvedObject as { name?: string }).name === name)
    .map(({ reason, message }) => `${String(reason)}: ${String(message)}`);
}

describe("addresses", () => {
  it("are given in order, kept, and given again when they are free", async () => {
    await start();
    await applied(balanced("a"), balanced("b"), balanced("c"));
    expect(["a", "b", "c"].map(addressOf)).toEqual(["192.0.2.10", "192.0.2.11", undefined]);
    expect(eventsOf("c")).toEqual(['AllocationFailed: Failed to allocate IP for "default/c": no available IPs']);
    await plane.delete([{ kind: "Service", namespace: "default", name: "a" }]);
    await plane.settle();
    expect(["b", "c"].map(addressOf)).toEqual(["192.0.2.11", "192.0.2.10"]);
    expect(plane.store.get("Service", "c", "default")?.status?.loadBalancer).toEqual({
      ingress: [{ ip: "192.0.2.10", ipMode: "VIP" }],
    });
  });

  it("are those asked for, by the field or by MetalLB's annotation, if a pool has them and nobody else", async () => {
    await start("192.0.2.10-192.0.2.20");
    await applied(
      balanced("field", { loadBalancerIP: "192.0.2.15" }),
      balanced("note", {}, { "metallb.io/loadBalancerIPs": "192.0.2.16" }),
      balanced("twice", { loadBalancerIP: "192.0.2.17" }, { "metallb.io/loadBalancerIPs": "192.0.2.17" }),
      balanced("taken", { loadBalancerIP: "192.0.2.15" }),
      balanced("foreign", { loadBalancerIP: "203.0.113.1" }),
    );
    expect(["field", "note", "taken", "foreign"].map(addressOf)).toEqual([
      "192.0.2.15",
      "192.0.2.16",
      undefined,
      undefined,
    ]);
    expect(eventsOf("twice")[0]).toContain("service can not have both metallb.io/loadBalancerIPs and");
    expect(eventsOf("taken")[0]).toContain("address also in use by default/field");
    expect(eventsOf("foreign")[0]).toContain('["203.0.113.1"] is not allowed in config');
    await applied(balanced("foreign", { loadBalancerIP: "" }));
    expect(addressOf("foreign")).toBe("192.0.2.10");
  });

  it("go with the type, and a class is another balancer's", async () => {
    await start();
    await applied(balanced("a"), balanced("b", { loadBalancerClass: "example.com/other" }));
    expect([addressOf("a"), addressOf("b")]).toEqual(["192.0.2.10", undefined]);
    await applied({ ...balanced("a"), spec: { type: "ClusterIP", ports: [{ port: 80 }] } } as Service);
    expect(plane.store.get("Service", "a", "default")?.status?.loadBalancer).toEqual({});
  });

  it("come from the pools as they are: a new one helps who waits, a smaller one takes away", async () => {
    await start("192.0.2.10-192.0.2.10");
    await applied(balanced("a"), balanced("b"));
    expect(addressOf("b")).toBeUndefined();
    await applied(pool("more", { addresses: ["192.0.2.64/30"], avoidBuggyIPs: true }));
    expect(addressOf("b")).toBe("192.0.2.64");
    await applied(pool("more", { addresses: ["192.0.2.128/30"] }));
    expect(addressOf("b")).toBe("192.0.2.128");
    await applied(balanced("c", {}, { "metallb.io/address-pool": "none" }));
    expect(eventsOf("c")[0]).toContain('unknown pool "none"');
  });

  it("of a pool without autoAssign are for those that name it", async () => {
    await start("192.0.2.10-192.0.2.10");
    await applied(pool("a-first", { addresses: ["192.0.2.64-192.0.2.65"], autoAssign: false }));
    await applied(balanced("a"), balanced("b", {}, { "metallb.io/address-pool": "a-first" }));
    expect([addressOf("a"), addressOf("b")]).toEqual(["192.0.2.10", "192.0.2.64"]);
  });

  it("are shared by Services with the same key and different ports", async () => {
    await start("192.0.2.10-192.0.2.10");
    const key = { "metallb.io/allow-shared-ip": "web" };
    const https = { ports: [{ port: 443 }] };
    await applied(balanced("a", {}, key), balanced("b", https, key), balanced("c", {}, key), balanced("d", https));
    expect(["a", "b", "c", "d"].map(addressOf)).toEqual(["192.0.2.10", "192.0.2.10", undefined, undefined]);
  });

  it.each([
    [{ addresses: ["192.0.2.70-192.0.2.60"] }, "neither a CIDR nor FIRST-LAST"],
    [{ addresses: [] }, "spec.addresses is empty"],
    [{ addresses: ["192.0.2.0/24"] }, "overlaps with pool cnilab"],
  ])("cannot come from the pool %j", async (spec, why) => {
    await start();
    expect(() => plane.apply([pool("bad", spec)])).toThrow(
      expect.objectContaining({ code: "OBJECT_INVALID", message: expect.stringContaining(why) as string }),
    );
  });
});

describe("addresses on a dual-stack cluster", () => {
  const ranges = ["192.0.2.10-192.0.2.11", "2001:db8::a-2001:db8::b"];
  const two = { ipFamilyPolicy: "RequireDualStack" } as const;
  const either = { ipFamilyPolicy: "PreferDualStack" } as const;

  it("are of the Service's families, IPv4 first", async () => {
    await start(ranges);
    await applied(balanced("one"), balanced("six", { ipFamilies: ["IPv6"] }), balanced("both", two));
    expect(["one", "six", "both"].map(addressesOf)).toEqual([
      ["192.0.2.10"],
      ["2001:db8::a"],
      ["192.0.2.11", "2001:db8::b"],
    ]);
    expect(eventsOf("both")).toEqual(['IPAllocated: Assigned IP ["192.0.2.11" "2001:db8::b"]']);
  });

  it("are both or none where a Service requires both, from one pool", async () => {
    await start(["192.0.2.10-192.0.2.10"]);
    await applied(pool("six", { addresses: ["2001:db8::/127"] }), balanced("both", two));
    expect(addressesOf("both")).toEqual([]);
    expect(eventsOf("both")[0]).toContain("no available IPs");
    await applied(pool("six", { addresses: ["2001:db8::/127", "192.0.2.64/31"] }));
    expect(addressesOf("both")).toEqual(["192.0.2.64", "2001:db8::"]);
  });

  it("are one where a Service prefers both and there is one, and the other when its pool has it", async () => {
    await start(["192.0.2.10-192.0.2.10"]);
    await applied(pool("six", { addresses: ["2001:db8::/127"] }));
    await applied(balanced("four", either), balanced("six", { ...either, ipFamilies: ["IPv6", "IPv4"] }));
    expect([addressesOf("four"), addressesOf("six")]).toEqual([["192.0.2.10"], ["2001:db8::"]]);
    await applied(pool("cnilab", { addresses: ["192.0.2.10", "2001:db8:1::10-2001:db8:1::11"].map(asRange) }));
    expect(addressesOf("four")).toEqual(["192.0.2.10", "2001:db8:1::10"]);
    expect(eventsOf("four").at(-1)).toBe('IPAllocated: Assigned additional IP "2001:db8:1::10"');
  });

  it("go back to one when the Service does", async () => {
    await start(ranges);
    await applied(balanced("a", two));
    await applied(balanced("a", { ipFamilyPolicy: "SingleStack" }));
    expect(addressesOf("a")).toEqual(["192.0.2.10"]);
  });

  it("are those asked for, one of each family", async () => {
    await start(ranges);
    const ask = (text: string): Record<string, string> => ({ "metallb.io/loadBalancerIPs": text });
    await applied(balanced("a", two, ask("2001:DB8:0::b, 192.0.2.11")), balanced("b", two, ask("2001:db8::a")));
    expect(addressesOf("a")).toEqual(["2001:db8::b", "192.0.2.11"]);
    expect(addressesOf("b")).toEqual([]);
    expect(eventsOf("b")[0]).toContain('IP(s) ["2001:db8::a"] does not match the ipFamily of the service');
    await applied(balanced("c", {}, ask("nonsense")));
    expect(eventsOf("c")[0]).toContain('invalid metallb.io/loadBalancerIPs: "nonsense"');
  });
});

/** One address as a pool has it. */
function asRange(address: string): string {
  return address.includes("-") ? address : `${address}-${address}`;
}

describe("who announces an address", () => {
  const endpoints = (name: string, nodes: readonly string[], conditions: object = { ready: true }): EndpointSlice => ({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: `${name}-x`, namespace: "default", labels: { "kubernetes.io/service-name": name } },
    addressType: "IPv4",
    endpoints: nodes.map((nodeName, index) => ({ addresses: [`10.0.0.${index + 1}`], nodeName, conditions })),
    ports: [{ port: 80 }],
  });
  const announcer = (): string | undefined => announcedAddresses(plane.store)[0]?.node;

  function tellReady(name: string, status: "True" | "Unknown"): void {
    const node = plane.store.get("Node", name);
    if (node === undefined) throw new Error(`no node ${name}`);
    plane.store.updateStatus<NodeObject>({
      ...node,
      status: { ...node.status, conditions: [{ type: "Ready", status }] },
    });
  }

  it("is one node, whoever has the endpoints, and another when it dies", async () => {
    await start();
    await applied(balanced("a"), endpoints("a", ["worker1"]));
    const first = announcer();
    expect(NODES).toContain(first);
    tellReady(first ?? "", "Unknown");
    const second = announcer();
    expect(NODES.filter((name) => name !== first)).toContain(second);
    tellReady(first ?? "", "True");
    expect(announcer()).toBe(first);
  });

  it("is one node for both addresses of a Service", async () => {
    await start(["192.0.2.10-192.0.2.20", "2001:db8::a-2001:db8::f"]);
    const names = ["a", "b", "c", "d"];
    for (const name of names)
      await applied(balanced(name, { ipFamilyPolicy: "RequireDualStack" }), endpoints(name, ["worker1"]));
    const found = announcedAddresses(plane.store);
    expect(found).toHaveLength(8);
    for (const name of names) {
      const own = found.filter(({ services }) => services.some((each) => each.name === name));
      expect(new Set(own.map(({ node }) => node)).size).toBe(1);
    }
  });

  it("with externalTrafficPolicy Local is a node that has an endpoint that serves", async () => {
    await start();
    const local = balanced("a", { externalTrafficPolicy: "Local" });
    await applied(local, endpoints("a", ["worker3"]));
    expect(announcer()).toBe("worker3");
    await applied(endpoints("a", ["worker2"], { ready: false, serving: true, terminating: true }));
    expect(announcer()).toBe("worker2");
    await applied(endpoints("a", ["worker2"], { ready: false, serving: false }));
    expect(announcer()).toBeUndefined();
  });

  it("is nobody without an endpoint, without an L2Advertisement of the pool, and with the label that excludes", async () => {
    await start();
    await applied(balanced("a"));
    expect(announcer()).toBeUndefined();
    await applied(endpoints("a", ["worker1"]));
    expect(announcer()).toBeDefined();
    for (const name of NODES) {
      const node = plane.store.get("Node", name);
      const labels = { "node.kubernetes.io/exclude-from-external-load-balancers": "" };
      if (node !== undefined && name !== "worker2")
        plane.store.update({ ...node, metadata: { ...node.metadata, labels } });
    }
    expect(announcer()).toBe("worker2");
    plane.store.delete({ kind: "L2Advertisement", namespace: "metallb-system", name: "cnilab" });
    expect(announcer()).toBeUndefined();
  });
});
