import { expect, it } from "vitest";
import { healthChecks, isNodeEligible } from "../../../../src/engine/nft/health-checks.ts";
import type { NodeObject } from "../../../../src/kube/types.ts";
import { service, slice } from "./objects.ts";

const web = service("shop/web", ["172.30.0.41"], [{ port: 80 }], { healthCheckNodePort: 31_000 });
const slices = [
  slice(
    "shop/web",
    "IPv4",
    [
      { addresses: ["10.0.0.1"], nodeName: "worker1", targetRef: { uid: "one" } },
      { addresses: ["10.0.0.2"], nodeName: "worker1", conditions: { ready: false, serving: true, terminating: true } },
      { addresses: ["10.0.0.3"], nodeName: "worker2", conditions: { ready: false } },
    ],
    [{ port: 8080 }],
  ),
  slice(
    "shop/web",
    "IPv6",
    [{ addresses: ["fd00::1"], nodeName: "worker1", targetRef: { uid: "one" } }],
    [{ port: 8080 }],
  ),
];

it("counts the node's own endpoints that are ready, each once", () => {
  const [check] = healthChecks([web], slices, "worker1");
  expect(check).toMatchObject({ service: { namespace: "shop", name: "web" }, port: 31_000, status: 200 });
  expect(JSON.parse(check?.body ?? "")).toEqual({
    service: { namespace: "shop", name: "web" },
    localEndpoints: 1,
    serviceProxyHealthy: true,
  });
});

it("turns callers away where there is none, and says nothing of Services without such a port", () => {
  expect(healthChecks([web], slices, "worker2")).toMatchObject([{ status: 503 }]);
  expect(healthChecks([service("shop/web", ["172.30.0.41"], [{ port: 80 }])], slices, "worker1")).toEqual([]);
});

it("of kube-proxy itself takes a node out of turn that is being deleted, or is about to be", () => {
  const node = (metadata: object, spec: object = {}): NodeObject =>
    ({ apiVersion: "v1", kind: "Node", metadata: { name: "worker1", ...metadata }, spec }) as NodeObject;
  const taint = (key: string) => ({ taints: [{ key, effect: "NoSchedule" }] });
  expect([
    isNodeEligible(node({})),
    isNodeEligible(node({}, taint("node.kubernetes.io/not-ready"))),
    isNodeEligible(node({}, taint("ToBeDeletedByClusterAutoscaler"))),
    isNodeEligible(node({ deletionTimestamp: "2026-01-01T00:00:00Z" })),
  ]).toEqual([true, true, false, false]);
});
