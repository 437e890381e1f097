import type { LabWarning } from "../core/errors.ts";
import type { AdminPolicy } from "./admin-policy-types.ts";

/** How a CNI enforces cluster-wide policies. */
export interface AdminEnforcement {
  /** What the release that a model follows does otherwise with a policy; undefined where it does the same. */
  beyondRelease?(policy: AdminPolicy): string | undefined;
}

/**
 * What whoever plans or applies a cluster-wide policy should know of how the CNI enforces it; `enforcement` is undefined where it does
 * not.
 */
export function adminPolicyWarning(
  cni: string,
  enforcement: AdminEnforcement | undefined,
  policy: AdminPolicy,
): LabWarning | undefined {
  const name = `${policy.kind} ${policy.metadata.name}`;
  if (enforcement === undefined) {
    return {
      code: "MANIFEST_NOT_ENFORCED",
      message: `${name} is stored and not enforced: ${cni} here has no cluster-wide policies`,
      hint: "cnilab explain counts it; what it decides otherwise than NetworkPolicies is left out of grades",
    };
  }
  const beyond = enforcement.beyondRelease?.(policy);
  return beyond === undefined ? undefined : { code: "POLICY_BEYOND_RELEASE", message: `${name}: ${beyond}` };
}
