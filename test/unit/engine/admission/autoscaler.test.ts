import { expect, test } from "vitest";
import { createStore } from "../../../../src/engine/control-plane.ts";
import type { KubeObject } from "../../../../src/kube/types.ts";
import { namespace } from "../store/objects.ts";

const cluster = { serviceCidrs: ["10.96.0.0/16"], dnsAddress: "10.96.0.10", dnsDomain: "cluster.local" };

function created(spec: unknown): KubeObject {
  const store = createStore({ cluster });
  store.create(namespace("default"));
  return store.create({
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: { name: "web", namespace: "default" },
    spec,
  });
}

const scaleTargetRef = { apiVersion: "apps/v1", kind: "Deployment", name: "web" };
const target = { type: "Utilization", averageUtilization: 50 };

test("one that says little has one replica at least and a target of 80 % of CPU", () => {
  const cpu = { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } };
  const metrics = [{ type: "Resource", resource: cpu }];
  expect(created({ scaleTargetRef, maxReplicas: 4 })["spec"]).toEqual({
    scaleTargetRef,
    minReplicas: 1,
    maxReplicas: 4,
    metrics,
  });
});

test.each<[spec: object, message: string]>([
  [{ maxReplicas: 0 }, "spec.maxReplicas: must be greater than 0"],
  [{ maxReplicas: "4" }, "spec.maxReplicas: must be greater than 0"],
  [{ minReplicas: 0 }, "spec.minReplicas: must be greater than or equal to 1"],
  [{ minReplicas: 5 }, "spec.maxReplicas: must be greater than or equal to `minReplicas`"],
  [{ scaleTargetRef: { kind: "Deployment" } }, "spec.scaleTargetRef: kind and name are required"],
  [{ metrics: "cpu" }, "spec.metrics: must be a list of objects"],
  [{ metrics: [{ type: "Resource", resource: { name: "cpu", target: {} } }] }, "spec.metrics[0]: must have"],
  [{ metrics: [{ type: "Pods", pods: { metric: { name: "r" }, target } }] }, "spec.metrics[0]: must have"],
  [{ metrics: [{ type: "toString" }] }, "spec.metrics[0]: must have"],
  [
    {
      metrics: [
        { type: "Resource", resource: { name: "cpu", target } },
        { type: "Resource", pods: {} },
      ],
    },
    "spec.metrics[1]: must have",
  ],
  [
    {
      metrics: [
        {
          type: "ContainerResource",
          containerResource: { name: "cpu", container: "web", target },
          resource: { name: "cpu", target },
        },
      ],
    },
    "spec.metrics[0].resource: must populate the given metric source only",
  ],
  [{ behavior: { scaleUp: { stabilizationWindowSeconds: 3601 } } }, "spec.behavior.scaleUp.stabilizationWindowSeconds"],
  [{ behavior: { scaleDown: { selectPolicy: "Most" } } }, "spec.behavior.scaleDown.selectPolicy"],
  [{ behavior: { scaleDown: { policies: [] } } }, "spec.behavior.scaleDown.policies"],
  [
    { behavior: { scaleUp: { policies: [{ type: "Pods", value: 1, periodSeconds: 1801 }] } } },
    "spec.behavior.scaleUp.policies",
  ],
])("%j is refused", (spec, message) => {
  expect(() => created({ scaleTargetRef, maxReplicas: 4, ...spec })).toThrow(message);
});

test("without a spec, too", () => {
  expect(() => created(undefined)).toThrow("spec: must be an object");
});
