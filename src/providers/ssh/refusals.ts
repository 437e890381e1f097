import { LabError } from "../../core/errors.ts";
import type { Plan } from "../../plan/types.ts";

/** What of a lab machines cannot carry: this host's ports are not their own. */
export function refusals({ realCluster }: Pick<Plan, "realCluster">): LabError[] {
  if ((realCluster?.portMappings ?? []).length === 0) return [];
  const message = "provider ssh maps no ports of this host to machines: they have addresses of their own";
  return [new LabError("PLAN_PROVIDER_LACKS", message, { hint: "leave cluster.portMappings out" })];
}
