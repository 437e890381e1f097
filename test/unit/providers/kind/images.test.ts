import { expect, test } from "vitest";
import { engineImages } from "../../../../src/providers/kind/images.ts";
import { podImages } from "../../../../src/providers/real/pod-images.ts";
import type { PlannedObject } from "../../../../src/plan/types.ts";
import { planOn } from "./plan.ts";

function pod(name: string, image: string): PlannedObject {
  const object = { apiVersion: "v1", kind: "Pod", metadata: { name }, spec: { containers: [{ name: "c", image }] } };
  return { object, file: "a.yaml", line: 1 };
}

test("nodes get the images of the scenario's and of the solutions' pods, and the one of our own pods", () => {
  const plan = planOn("two-workers", {
    scenario: [{ kind: "apply", options: {}, objects: [pod("a", "nginx:1.22"), pod("b", "nginx:1.22")] }],
    tasks: [{ name: "t", text: "t", probes: [], solution: [pod("c", "busybox:1.35")] }],
  });
  expect(podImages(plan)).toEqual(["nginx:1.22", "busybox:1.35", "registry.k8s.io/e2e-test-images/agnhost:2.53"]);
});

test("several control planes need kind's load balancer", () => {
  const plan = planOn("two-workers");
  expect(engineImages(plan).some((image) => image.includes("haproxy"))).toBe(false);
  const nodes = plan.topology.nodes.map((node) => ({ ...node, role: "control-plane" as const }));
  const several = { ...plan, topology: { ...plan.topology, nodes } };
  expect(engineImages(several).some((image) => image.includes("kindest/haproxy"))).toBe(true);
});
