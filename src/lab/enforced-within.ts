import type { Expectation } from "../grade/types.ts";

/** How long a change of policies may take that a probe is about, in milliseconds; undefined where it expects something else. */
export function enforcedWithin(expect: Expectation): number | undefined {
  const within = typeof expect === "object" ? expect["enforcedWithin"] : undefined;
  return typeof within === "number" ? within : undefined;
}
