import type { LabWarning } from "../core/errors.ts";
import { compileAdminPolicies } from "./compile-admin.ts";
import { policyName } from "./oracle.ts";
import type { PlacedAdminPolicy } from "./types.ts";

/**
 * A warning for each cluster-wide policy that has the tier and priority of another one: where both match a connection the API
 * leaves open which counts. Throws POLICY_INVALID, POLICY_DOMAIN_NAMES.
 */
export function priorityWarnings(adminPolicies: readonly PlacedAdminPolicy[]): LabWarning[] {
  const policies = compileAdminPolicies({ adminPolicies });
  return policies.flatMap(({ placed, tier, priority }, at): LabWarning[] => {
    const before = policies[at - 1];
    if (before === undefined || before.tier !== tier || before.priority !== priority) return [];
    const { span } = before.placed;
    const place = span === undefined ? "" : ` (${span.file}:${span.line})`;
    const message = `${policyName(before.placed)}${place} and ${policyName(placed)} both have priority ${placed.policy.spec.priority ?? "none"} in the ${tier} tier: the API leaves open which counts`;
    return [{ code: "POLICY_EQUAL_PRIORITY", message, hint: "give each its own priority", span: placed.span }];
  });
}
