import type { LabWarning } from "../core/errors.ts";
import type { Cni } from "../cnis/types.ts";
import { isAdminPolicy } from "../kube/admin-policy-types.ts";
import { adminPolicyWarning } from "../kube/admin-policy-warning.ts";
import { enforcedWithin } from "./enforced-within.ts";
import type { Lab } from "./types.ts";

/** Codes of warnings about the CNI that a lab names, which do not hold where it runs with another or elsewhere. */
export const CNI_WARNINGS: ReadonlySet<string> = new Set([
  "LAB_POLICY_NOT_ENFORCED",
  "MANIFEST_NOT_ENFORCED",
  "POLICY_BEYOND_RELEASE",
]);

/** Whether a lab's outcome depends on NetworkPolicy: it applies one, teaches one, or grades by the policies. */
export function usesPolicy(lab: Pick<Lab, "scenario" | "tasks" | "probes">): boolean {
  const objects = [...lab.scenario.flatMap((step) => step.objects), ...lab.tasks.flatMap((task) => task.solution)];
  return (
    objects.some(({ object }) => object.kind === "NetworkPolicy") ||
    lab.probes.some(({ expect }) => expect === "policy" || enforcedWithin(expect) !== undefined)
  );
}

/** The warning for a lab with policies on a CNI that enforces none; undefined where all is well. */
export function policyNotEnforced(
  lab: Pick<Lab, "scenario" | "tasks" | "probes">,
  cni: Cni,
  all: readonly Cni[],
): LabWarning | undefined {
  if (cni.enforcesPolicy || !usesPolicy(lab)) return undefined;
  const enforcing = all.filter(({ enforcesPolicy }) => enforcesPolicy).map(({ name }) => name);
  return {
    code: "LAB_POLICY_NOT_ENFORCED",
    message: `${cni.name} does not enforce NetworkPolicy: what a policy blocks will still be allowed`,
    hint: enforcing.length > 0 ? `CNIs that enforce it: ${enforcing.join(", ")}` : undefined,
  };
}

/** What a lab with cluster-wide policies should know of how the CNI enforces them, each at the place of its kind. */
export function adminPolicyUse(lab: Pick<Lab, "scenario" | "tasks">, cni: Cni, isEnforced: boolean): LabWarning[] {
  const objects = [...lab.scenario.flatMap((step) => step.objects), ...lab.tasks.flatMap((task) => task.solution)];
  const enforcement = isEnforced ? (cni.dataplane?.policy?.admin ?? {}) : undefined;
  return objects.flatMap(({ object, kindSpan }) => {
    const warning = isAdminPolicy(object) ? adminPolicyWarning(cni.name, enforcement, object) : undefined;
    if (warning === undefined) return [];
    return [kindSpan === undefined ? warning : { ...warning, span: kindSpan }];
  });
}
