import type { LabWarning } from "../core/errors.ts";
import { loadLab } from "../lab/load.ts";
import type { Lab } from "../lab/types.ts";
import { buildPlan, planWarnings } from "../plan/build-plan.ts";
import type { Plan } from "../plan/types.ts";
import { defaultProvider } from "../providers/registry.ts";
import { findLabFile, shownPath } from "./find-lab.ts";
import { providerNamed } from "./provision.ts";
import { registries } from "./registries.ts";

/** What the command line says instead of the lab file. */
export interface LabOverrides {
  provider?: string | undefined;
  cni?: { name: string; mode?: string } | undefined;
}

/** A lab as the command line names it. */
export interface LabRequest extends LabOverrides {
  /** A lab file, its folder, or the name of a bundled lab. */
  lab: string;
}

/** A lab that was read and found right. */
export interface ReadLab {
  lab: Lab;
  warnings: LabWarning[];
}

/** Finds and reads a lab; throws LAB_NOT_FOUND and LabProblems. */
export function readLab(argument: string): Promise<ReadLab> {
  return loadLab(shownPath(findLabFile(argument)), registries);
}

/** The plan of a lab that was read; throws LabProblems with PLAN_… and PROVIDER_UNKNOWN. */
export function planLab(
  { lab, warnings }: ReadLab,
  { provider, cni }: LabOverrides,
): { plan: Plan; warnings: LabWarning[] } {
  const chosen = providerNamed(provider ?? lab.providers?.[0] ?? defaultProvider);
  const plan = buildPlan(lab, { provider: chosen, cniOverride: cni, cnis: registries.cnis });
  // About the lab's own CNI; what holds for the one chosen is in the plan's warnings.
  const ofFile = warnings.filter(({ code }) => code !== "LAB_POLICY_NOT_ENFORCED");
  return { plan, warnings: [...ofFile, ...planWarnings(lab, plan, registries.cnis)] };
}

/** {@link readLab} and {@link planLab}. */
export async function readPlan(
  argument: string,
  overrides: LabOverrides,
): Promise<{ plan: Plan; warnings: LabWarning[] }> {
  return planLab(await readLab(argument), overrides);
}
