import { afterEach, beforeEach, expect, it } from "vitest";
import { systemClock } from "../../../../src/engine/clock.ts";
import { createControlPlane, createStore, type ControlPlane } from "../../../../src/engine/control-plane.ts";
import type { Condition } from "../../../../src/kube/gateway/gateway-types.ts";
import { namespace } from "../store/objects.ts";
import { FakeRuntime } from "../fake-runtime.ts";
import { gateway, grant, route } from "./gateway-objects.ts";

const cluster = { serviceCidrs: ["10.96.0.0/16"], dnsAddress: "10.96.0.10", dnsDomain: "cluster.local" };

let plane: ControlPlane;
/** The control plane's time, moved by hand. */
let nowMs = 0;

beforeEach(async () => {
  const worker = { name: "worker1", role: "worker" as const, labels: {}, taints: [] };
  plane = createControlPlane({
    nodes: [{ ...worker, interfaces: [{ addresses: ["192.0.2.2"] }] }],
    cluster,
    runtime: new FakeRuntime(),
    clock: { ...systemClock, nowMs: () => nowMs },
    store: createStore({ cluster }),
    addressPool: ["192.0.2.10-192.0.2.11"],
    hasTraefik: true,
    hasGatewayApi: true,
  });
  await plane.settle();
});
afterEach(() => plane.close());

const text = (conditions: readonly Condition[] = []): string[] =>
  conditions.map(({ type, status, reason }) => `${type} ${status} ${reason}`);

function statusOfRoute(): string[] {
  return text(plane.store.get("HTTPRoute", "web", "default")?.status?.parents[0]?.conditions);
}

it("the class is accepted, and a Gateway has the load balancer's address and a count of its routes", async () => {
  expect(text(plane.store.get("GatewayClass", "traefik")?.status?.conditions)).toEqual(["Accepted True Handled"]);
  plane.apply([gateway(), route({ rules: [] })]);
  await plane.settle();
  const { status } = plane.store.get("Gateway", "entry", "default") ?? {};
  expect(status).toMatchObject({
    addresses: [{ type: "IPAddress", value: "192.0.2.10" }],
    listeners: [{ attachedRoutes: 1 }],
  });
  expect(text(status?.conditions)).toEqual(["Accepted True Accepted", "Programmed True Programmed"]);
  expect(statusOfRoute()).toEqual(["Accepted True Accepted", "ResolvedRefs True ResolvedRefs"]);
});

it("one of another class waits for its controller", async () => {
  const foreign = gateway();
  plane.apply([{ ...foreign, spec: { ...foreign.spec, gatewayClassName: "other" } }]);
  await plane.settle();
  const { status } = plane.store.get("Gateway", "entry", "default") ?? {};
  expect(text(status?.conditions)).toEqual(["Accepted Unknown Pending", "Programmed Unknown Pending"]);
});

it("a grant that comes later is seen, and the status is written no more than that", async () => {
  const refs = [{ name: "kubernetes", namespace: "other", port: 443 }];
  plane.apply([namespace("other"), gateway(), route({ rules: [{ backendRefs: refs }] })]);
  await plane.settle();
  expect(statusOfRoute()).toEqual(["Accepted True Accepted", "ResolvedRefs False RefNotPermitted"]);
  plane.apply([grant()]);
  await plane.settle();
  expect(statusOfRoute()).toEqual(["Accepted True Accepted", "ResolvedRefs False BackendNotFound"]);
  const { resourceVersion } = plane.store.get("HTTPRoute", "web", "default")?.metadata ?? {};
  nowMs += 60_000;
  plane.apply([namespace("another")]);
  await plane.settle();
  expect(plane.store.get("HTTPRoute", "web", "default")?.metadata.resourceVersion).toBe(resourceVersion);
});

it("what the API refuses is not stored", () => {
  const bad = route({ rules: [{ backendRefs: [{ name: "web" }] }] });
  expect(() => plane.apply([bad])).toThrow(
    expect.objectContaining({
      code: "OBJECT_INVALID",
      message: "HTTPRoute default/web: spec.rules[0].backendRefs[0]: a reference to a Service needs a port",
    }) as Error,
  );
});
