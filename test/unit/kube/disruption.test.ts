import { expect, test } from "vitest";
import { disruptionsOf, type PodDisruptionBudget } from "../../../src/kube/disruption.ts";
import type { Pod } from "../../../src/kube/types.ts";

const budget = (spec: PodDisruptionBudget["spec"]): PodDisruptionBudget => ({
  apiVersion: "policy/v1",
  kind: "PodDisruptionBudget",
  metadata: { name: "b" },
  ...(spec === undefined ? {} : { spec }),
});
const pods = (ready: number, others = 0, leaving = 0): Pod[] =>
  Array.from({ length: ready + others + leaving }, (_, index) => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: `p${index}`,
      ...(index >= ready + others ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}),
    },
    spec: { containers: [] },
    status: { phase: "Running", conditions: [{ type: "Ready", status: index < ready ? "True" : "False" }] },
  })) as unknown as Pod[];

test.each([
  [{ minAvailable: 2 }, pods(3), 3, { disruptionsAllowed: 1, currentHealthy: 3, desiredHealthy: 2, expectedPods: 3 }],
  [{ minAvailable: 2 }, pods(2, 1), 3, { disruptionsAllowed: 0, currentHealthy: 2 }],
  [{ minAvailable: "50%" }, pods(3), 3, { disruptionsAllowed: 1, desiredHealthy: 2 }],
  [{ maxUnavailable: 1 }, pods(3), 3, { disruptionsAllowed: 1, desiredHealthy: 2 }],
  // One is on its way out already, and two more are not there yet.
  [{ maxUnavailable: 1 }, pods(2, 0, 1), 5, { disruptionsAllowed: 0, desiredHealthy: 4, expectedPods: 5 }],
  [{ maxUnavailable: "34%" }, pods(3), 3, { disruptionsAllowed: 2, desiredHealthy: 1 }],
  [{ maxUnavailable: 9 }, pods(3), 3, { disruptionsAllowed: 3, desiredHealthy: 0 }],
  // Pods of no controller: nobody knows how many there should be.
  [{ maxUnavailable: 1 }, pods(3), 0, { disruptionsAllowed: 0, expectedPods: 0 }],
  [{ minAvailable: 1 }, [], 0, { disruptionsAllowed: 0, expectedPods: 0 }],
])("%j", (spec, present, expected, wanted) => {
  expect(disruptionsOf(budget(spec), present, expected)).toMatchObject(wanted);
});
