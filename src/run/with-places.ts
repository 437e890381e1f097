import type { PolicyPlaces } from "../policy/types.ts";

/** A policy whose places are looked for when they are first asked for: few are, and finding them takes longer than a verdict. */
export function withPlaces<Policy>(policy: Policy, find: () => PolicyPlaces): PolicyPlaces & { policy: Policy } {
  let places: PolicyPlaces | undefined;
  const found = (): PolicyPlaces => (places ??= find());
  return {
    policy,
    get span() {
      return found().span;
    },
    get ruleSpans() {
      return found().ruleSpans;
    },
  };
}
