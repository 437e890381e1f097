import { LabError } from "../../core/errors.ts";
import type { Plan } from "../../plan/types.ts";

/** Add-ons that the embedded engine has a model of. */
const MODELLED: readonly string[] = ["metallb", "metrics-server", "istio"];

/** What a lab asks for that this engine has not. */
export function refusals({ realCluster }: Pick<Plan, "realCluster">): LabError[] {
  const lacking = (realCluster?.addOns ?? []).filter((name) => !MODELLED.includes(name));
  return lacking.map(
    (name) =>
      new LabError("PLAN_PROVIDER_LACKS", `provider netns has no add-on ${name}`, {
        hint: `it has: ${MODELLED.join(", ")}`,
      }),
  );
}
