import type { AnyClassRule, ClassAdminPolicy } from "./classes.ts";
import { andInto, clearFrom, orInto } from "./class-bits.ts";
import type { Direction, Tier } from "./types.ts";

/** What the verdicts of one end are made of. */
export interface TierParts {
  everyone: Uint32Array;
  /** The classes that NetworkPolicies let through; undefined where none isolates the end. */
  byNetworkPolicies: Uint32Array | undefined;
  /** Adds the classes that a rule matches. */
  add(row: Uint32Array, rule: AnyClassRule): void;
}

/**
 * The classes that one end's policies of a direction let through: those that the Admin tier allows, then, of what it left or
 * passed on, those that NetworkPolicies allow, or where none isolates the end what the Baseline tier does not deny. `numbers` are the
 * cluster-wide policies whose subject the end is, by precedence. `everyone` itself where no policy says anything.
 */
export function tierRow(
  policies: readonly ClassAdminPolicy[],
  numbers: readonly number[],
  direction: Direction,
  { everyone, byNetworkPolicies, add }: TierParts,
): Uint32Array {
  if (numbers.length === 0) return byNetworkPolicies ?? everyone;
  const allowed = new Uint32Array(everyone.length);
  const left = everyone.slice();
  const walk = (tier: Tier): void => {
    const passed = new Uint32Array(everyone.length);
    for (const number of numbers) {
      const policy = policies[number];
      if (policy?.policy.tier !== tier) continue;
      for (const rule of policy[direction]) {
        const matched = new Uint32Array(everyone.length);
        add(matched, rule);
        andInto(matched, left);
        clearFrom(left, matched);
        if (rule.rule.action === "Allow") orInto(allowed, matched);
        else if (rule.rule.action === "Pass") orInto(passed, matched);
      }
    }
    orInto(left, passed);
  };
  walk("Admin");
  if (byNetworkPolicies === undefined) walk("Baseline");
  else andInto(left, byNetworkPolicies);
  orInto(allowed, left);
  return allowed;
}
