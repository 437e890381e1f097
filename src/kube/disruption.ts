import { isPodReady } from "./pods.ts";
import type { IntOrString, KubeObject, LabelSelector, Pod } from "./types.ts";

/** How many pods may go at once (policy/v1). */
export interface PodDisruptionBudget extends KubeObject {
  spec?: {
    minAvailable?: IntOrString;
    maxUnavailable?: IntOrString;
    selector?: LabelSelector;
    unhealthyPodEvictionPolicy?: string;
  };
}

/** What a budget allows now, as its status has it. */
export interface Disruptions {
  disruptionsAllowed: number;
  currentHealthy: number;
  desiredHealthy: number;
  expectedPods: number;
}

/**
 * What a budget allows of the pods that it selects. `expected` is the sum of the replicas that their controllers want; pods without
 * one do not count there, and where it is 0 nothing is allowed (pkg/controller/disruption/disruption.go).
 */
export function disruptionsOf({ spec }: PodDisruptionBudget, pods: readonly Pod[], expected: number): Disruptions {
  const { minAvailable, maxUnavailable } = spec ?? {};
  const present = pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const currentHealthy = present.filter(isPodReady).length;
  const isOfAll = maxUnavailable !== undefined || typeof minAvailable === "string";
  const expectedPods = isOfAll ? expected : pods.length;
  const desiredHealthy =
    maxUnavailable === undefined
      ? share(minAvailable ?? 0, expectedPods)
      : Math.max(0, expectedPods - share(maxUnavailable, expectedPods));
  const disruptionsAllowed = expectedPods <= 0 ? 0 : Math.max(0, currentHealthy - desiredHealthy);
  return { disruptionsAllowed, currentHealthy, desiredHealthy, expectedPods };
}

/** A count, or a percentage, rounded up. */
function share(value: IntOrString, of: number): number {
  return typeof value === "number" ? value : Math.ceil((Number.parseFloat(value) * of) / 100);
}
