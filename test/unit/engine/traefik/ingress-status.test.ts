import { afterEach, expect, it } from "vitest";
import { createControlPlane, createStore, type ControlPlane } from "../../../../src/engine/control-plane.ts";
import type { IngressAddress } from "../../../../src/kube/ingress.ts";
import { FakeRuntime } from "../fake-runtime.ts";
import { ingress, path } from "./objects.ts";

const cluster = { serviceCidrs: ["10.96.0.0/16"], dnsAddress: "10.96.0.10", dnsDomain: "cluster.local" };

let plane: ControlPlane;
afterEach(() => plane.close());

async function start(addressPool?: readonly string[]): Promise<void> {
  const worker = { name: "worker1", role: "worker" as const, labels: {}, taints: [] };
  plane = createControlPlane({
    nodes: [{ ...worker, interfaces: [{ addresses: ["192.0.2.2"] }] }],
    cluster,
    runtime: new FakeRuntime(),
    store: createStore({ cluster }),
    addressPool,
    hasTraefik: true,
  });
  await plane.settle();
}

async function published(spec: object = {}): Promise<IngressAddress[] | undefined> {
  plane.apply([ingress("web", { rules: [{ http: { paths: [path("/")] } }], ...spec })]);
  await plane.settle();
  return plane.store.get("Ingress", "web", "default")?.status?.loadBalancer?.ingress;
}

it("an Ingress has the address of Traefik's load balancer", async () => {
  await start(["192.0.2.10-192.0.2.11"]);
  expect(await published()).toEqual([{ ip: "192.0.2.10" }]);
  expect(plane.store.get("Ingress", "web", "default")?.spec.ingressClassName).toBe("traefik");
});

it("one of another class has none", async () => {
  await start(["192.0.2.10-192.0.2.11"]);
  expect(await published({ ingressClassName: "nginx" })).toBeUndefined();
});

it("with node ports alone there is nothing to publish", async () => {
  await start();
  expect(await published()).toBeUndefined();
  expect(plane.store.get("Service", "traefik", "traefik")?.spec.type).toBe("NodePort");
});
