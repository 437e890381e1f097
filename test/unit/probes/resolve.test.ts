import { describe, expect, it } from "vitest";
import { dropWatch, flowTo, probeSource, resolveHost, resolveTarget } from "../../../src/probes/resolve.ts";
import type { EndpointRef } from "../../../src/plan/types.ts";
import { parseEndpointRef } from "../../../src/lab/refs.ts";
import { shopContext, shopObjects, shopService } from "../../fixtures/shop-world.ts";

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
