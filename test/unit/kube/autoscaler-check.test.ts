import { expect, test } from "vitest";
import { parseYaml } from "../../../src/core/yaml-source.ts";
import { checkManifest } from "../../../src/kube/manifest-check.ts";

function check(spec: string, apiVersion = "autoscaling/v2"): string[] {
  const text = `apiVersion: ${apiVersion}
kind: HorizontalPodAutoscaler
metadata: { name: web }
spec: { scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: web }, maxReplicas: 3, ${spec} }
`;
  const { problems, warnings } = checkManifest(parseYaml(text, "m.yaml").documents);
  return [...problems, ...warnings].map(({ code, message }) => `${code} ${message}`);
}

test("an autoscaler passes, quantities as numbers or texts", () => {
  const metric =
    "type: Pods, pods: { metric: { name: http_requests }, target: { type: AverageValue, averageValue: 10 } }";
  const behavior = "behavior: { scaleDown: { policies: [{ type: Pods, value: 1, periodSeconds: 60 }] } }";
  expect(check(`metrics: [{ ${metric} }], ${behavior}`)).toEqual([]);
});

test.each([
  ["metrics: [{ type: Resource, resource: { name: cpu, target: { averageUtilisation: 5 } } }]", "averageUtilisation"],
  [
    "metrics: [{ type: Pods, pods: { metric: { name: a }, target: { type: A, averageValue: many } } }]",
    "a quantity such as",
  ],
  ["minReplicas: one", "minReplicas"],
])("%s is refused", (spec, message) => {
  expect(check(spec).join("\n")).toContain(message);
});

test("one of the older version is told of the newer", () => {
  expect(check("minReplicas: 1", "autoscaling/v1")).toEqual([
    expect.stringContaining("MANIFEST_BAD_API_VERSION") as string,
  ]);
});
