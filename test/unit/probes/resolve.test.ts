import { describe, expect, it } from "vitest";
import { dropWatch, flowTo, probeSource, resolveHost, resolveTarget } from "../../../src/probes/resolve.ts";
import type { KubeObject } from "../../../src/kube/types.ts";
import type { EndpointRef } from "../../../src/plan/types.ts";
import { parseEndpointRef } from "../../../src/lab/refs.ts";
import { shopContext, shopObjects, shopPod, shopService } from "../../fixtures/shop-world.ts";

const cacheRef: EndpointRef = { kind: "pod", namespace: "shop", name: "cache" };

async function target(text: string, port?: number, objects = shopObjects()) {
  const context = shopContext({
    objects,
    addresses: ({ kind }) => (kind === "external" ? ["203.0.113.1"] : ["192.168.0.2"]),
  });
  const from = probeSource(cacheRef, context);
  const aim = { protocol: "tcp", ...(port === undefined ? {} : { port }) } as const;
  const found = await resolveTarget(parseEndpointRef(text), aim, from, context);
  return { found, flow: flowTo(found, aim, from), watch: dropWatch(found, aim) };
}

describe("resolveTarget", () => {
  it("takes a workload's first ready pod by name and says so", async () => {
    const { found } = await target("shop/deployment/web", 8080);
    expect(found).toMatchObject({
      host: "10.244.1.1",
      identity: "shop/web-1",
      notes: ["shop/deployment/web is probed at shop/web-1, the first ready of 2 pods"],
    });
  });

  it("goes to a Service's cluster IP and knows the pods and ports behind it", async () => {
    const { found, flow, watch } = await target("shop/service/web", 80);
    expect(found).toMatchObject({ host: "10.96.0.80", identity: "shop/service/web" });
    expect(flow).toMatchObject({
      address: "10.96.0.80",
      port: 80,
      to: [{ name: "web-1" }, { name: "web-2" }],
      targetPorts: [8080, 8080],
    });
    expect(watch).toEqual({ destinations: ["10.244.1.1", "10.244.1.2"], protocol: "tcp", port: 8080, match: "any" });
  });

  it("says when a Service has no ready endpoint on the port, and watches nothing", async () => {
    const { found, watch } = await target("shop/service/web", 443);
    expect(found.notes).toEqual(["Service shop/web has no ready endpoint on port 443/tcp"]);
    expect(watch).toBeUndefined();
  });

  it("goes from outside to a load balancer's address, and lacks one while it is pending", async () => {
    const reached = async (status: object, family?: "ipv6"): Promise<string> => {
      const aim = { protocol: "tcp", port: 80, ...(family === undefined ? {} : { family }) } as const;
      const objects = shopObjects().map((object): KubeObject =>
        object.kind === "Service" && object.metadata.name === "web"
          ? { ...object, spec: { ...(object["spec"] as object), type: "LoadBalancer" }, status }
          : object,
      );
      const context = shopContext({ objects });
      const from = probeSource({ kind: "external" }, context);
      const { host, backends } = await resolveTarget(parseEndpointRef("shop/service/web"), aim, from, context);
      return `${host}, ${backends.length} backends`;
    };
    const ingress = [{ ip: "192.168.0.200" }];
    expect(await reached({ loadBalancer: { ingress } })).toBe("192.168.0.200, 2 backends");
    const both = { loadBalancer: { ingress: [...ingress, { ip: "2001:db8::c8" }] } };
    expect(await reached(both)).toBe("192.168.0.200, 2 backends");
    expect(await reached(both, "ipv6")).toMatch(/^2001:db8::c8, /);
    await expect(reached({ loadBalancer: { ingress } }, "ipv6")).rejects.toMatchObject({ code: "TARGET_LACKS_FAMILY" });
    await expect(reached({ loadBalancer: {} })).rejects.toMatchObject({ code: "TARGET_LACKS_BALANCER" });
  });

  it("goes to a headless Service's first ready endpoint", async () => {
    const headless = shopService("peers", "None", 80, 80, [
      { ip: "10.244.1.1", pod: "web-1", ready: false },
      { ip: "10.244.1.2", pod: "web-2" },
    ]);
    const { found } = await target("shop/service/peers", 80, [...shopObjects(), ...headless]);
    expect(found).toMatchObject({ host: "10.244.1.2", identity: "shop/web-2" });
  });

  it("knows a pod or Service by its address", async () => {
    expect((await target("10.244.2.1", 5432)).found).toMatchObject({ identity: "shop/db-1", to: [{ name: "db-1" }] });
    expect((await target("10.96.12.34", 5432)).found).toMatchObject({
      identity: "shop/service/db",
      to: [{ name: "db-1" }],
    });
    expect((await target("198.51.100.9", 80)).found).toMatchObject({ identity: "198.51.100.9", to: [] });
  });

  it("watches nothing for an address of the Service network that no Service has", async () => {
    const { found, watch } = await target("10.96.99.99", 80);
    expect(found.notes).toEqual(["10.96.99.99 is in the Service network, and no Service has it"]);
    expect(watch).toBeUndefined();
  });

  it("asks the cluster for the addresses of nodes and of the outside", async () => {
    expect((await target("node/worker1", 22)).found).toMatchObject({
      host: "192.168.0.2",
      to: [{ kind: "node", name: "worker1" }],
    });
    expect((await target("external", 80)).found).toMatchObject({ host: "203.0.113.1", to: [{ kind: "external" }] });
  });

  it.each(["shop/ghost", "shop/deployment/ghost", "shop/service/ghost", "node/ghost"])(
    "rejects %s, which is not there",
    async (text) => {
      await expect(target(text, 80)).rejects.toMatchObject({ code: "TARGET_MISSING" });
    },
  );
});

describe("resolveHost", () => {
  it.each([
    ["web", "shop/service/web"],
    ["web.shop", "shop/service/web"],
    ["web.shop.svc", "shop/service/web"],
    ["WEB.shop.svc.cluster.local.", "shop/service/web"],
    ["kube-dns.kube-system", "kube-system/service/kube-dns"],
    ["kube-dns", "kube-dns"],
    ["web.other", "web.other"],
    ["a.web.shop.svc.cluster.local", "a.web.shop.svc.cluster.local"],
    ["example.com", "example.com"],
  ])("%s means %s to a pod of shop", (host, identity) => {
    const context = shopContext();
    const found = resolveHost(host, { port: 80, protocol: "tcp" }, probeSource(cacheRef, context), context);
    expect(found).toMatchObject({ host, identity });
  });

  it("gives a node no search path", () => {
    const context = shopContext();
    const from = probeSource({ kind: "node", name: "worker1" }, context);
    expect(resolveHost("web", { port: 80, protocol: "tcp" }, from, context).identity).toBe("web");
  });
});

describe("a target with addresses of both families", () => {
  const slice = (name: string, addressType: string, addresses: readonly string[]): KubeObject => ({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name, namespace: "shop", labels: { "kubernetes.io/service-name": "both" } },
    addressType,
    endpoints: addresses.map((address) => ({
      addresses: [address],
      conditions: { ready: true },
      targetRef: { kind: "Pod", namespace: "shop", name: "both-1" },
    })),
    ports: [{ name: "main", port: 8080, protocol: "TCP" }],
  });
  const pod = shopPod({ name: "both-1", ip: "10.244.1.7" });
  const objects = [
    ...shopObjects(),
    { ...pod, status: { ...(pod["status"] as object), podIPs: [{ ip: "10.244.1.7" }, { ip: "fd00:1::7" }] } },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "both", namespace: "shop" },
      spec: {
        clusterIP: "10.96.0.7",
        clusterIPs: ["10.96.0.7", "fd00:96::7"],
        ports: [{ name: "main", port: 80, targetPort: 8080, protocol: "TCP" }],
      },
    },
    slice("both-4", "IPv4", ["10.244.1.7"]),
    slice("both-6", "IPv6", ["fd00:1::7"]),
  ];
  const aimed = async (text: string, family?: "ipv4" | "ipv6") => {
    const context = shopContext({ objects });
    const from = probeSource(cacheRef, context);
    return resolveTarget(parseEndpointRef(text), { port: 80, protocol: "tcp", family }, from, context);
  };

  it("is aimed at by the first that the source has, or by the one asked for", async () => {
    expect(await aimed("shop/both-1")).toMatchObject({ address: "10.244.1.7", identity: "shop/both-1" });
    expect(await aimed("shop/both-1", "ipv6")).toMatchObject({
      address: "fd00:1::7",
      identity: "shop/both-1 over IPv6",
      backends: [{ address: "fd00:1::7" }],
    });
  });

  it("has the endpoints of that family behind it, each pod once", async () => {
    expect(await aimed("shop/service/both")).toMatchObject({
      address: "10.96.0.7",
      identity: "shop/service/both",
      backends: [{ address: "10.244.1.7", port: 8080 }],
      to: [{ name: "both-1" }],
    });
    for (const text of ["shop/service/both", "fd00:96::7"]) {
      const found = await aimed(text, "ipv6");
      expect(found).toMatchObject({ address: "fd00:96::7", identity: "shop/service/both over IPv6" });
      expect(found.backends).toEqual([
        { address: "fd00:1::7", port: 8080, pod: { namespace: "shop", name: "both-1" } },
      ]);
    }
  });

  it("is known by an IPv6 literal, which no answer over IPv4 vouches for", async () => {
    expect(await aimed("fd00:1::7")).toMatchObject({
      address: "fd00:1::7",
      identity: "shop/both-1 over IPv6",
      to: [{ name: "both-1" }],
    });
    expect(await aimed("2001:db8::1")).toMatchObject({ identity: "2001:db8::1", to: [] });
  });

  it("is refused where it has none of the family asked for", async () => {
    const refused = { code: "TARGET_LACKS_FAMILY" };
    await expect(aimed("shop/web-1", "ipv6")).rejects.toMatchObject({
      ...refused,
      message: "shop/web-1 has no IPv6 address",
    });
    await expect(aimed("shop/service/web", "ipv6")).rejects.toMatchObject({
      ...refused,
      message: "Service shop/web has no IPv6 address",
    });
  });
});
