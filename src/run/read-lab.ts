import { resolve } from "node:path";
import { LabError, type LabWarning } from "../core/errors.ts";
import { readInventory, type InventoryMachine } from "../lab/inventory.ts";
import { loadLab } from "../lab/load.ts";
import { CNI_WARNINGS } from "../lab/policy-use.ts";
import type { Lab } from "../lab/types.ts";
import { buildPlan, planWarnings } from "../plan/build-plan.ts";
import type { CniOptionTexts } from "../plan/cni-options.ts";
import type { Plan, PlannedAccess } from "../plan/types.ts";
import { defaultProvider } from "../providers/registry.ts";
import type { Provider } from "../providers/types.ts";
import { shownPath } from "../core/shown-path.ts";
import { findLabFile } from "./find-lab.ts";
import { providerNamed } from "./provision.ts";
import { registries } from "./registries.ts";

/** What the command line says instead of the lab file. */
export interface LabOverrides {
  provider?: string | undefined;
  cni?: { name: string; mode?: string } | undefined;
  /** Of that CNI: texts of YAML scalars by the options' names. */
  cniOptions?: CniOptionTexts | undefined;
  /** Of the cluster to work on; for a provider that takes one that is there. */
  kubeconfig?: string | undefined;
  context?: string | undefined;
  /** File of the machines to work on; for a provider that takes those that are there. */
  inventory?: string | undefined;
  /** No machines are needed: nothing is made after the plan. */
  onAnyMachines?: boolean;
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

/**
 * The plan of a lab that was read; throws LabProblems with PLAN_… and USAGE_CNI_OPTION, PROVIDER_UNKNOWN,
 * USAGE_NO_CLUSTER_TO_CHOOSE, USAGE_NO_MACHINES_TO_CHOOSE, INVENTORY_UNREADABLE.
 */
export function planLab({ lab, warnings }: ReadLab, overrides: LabOverrides): { plan: Plan; warnings: LabWarning[] } {
  const chosen = providerNamed(overrides.provider ?? lab.providers?.[0] ?? defaultProvider);
  const access = accessOf(chosen, overrides);
  const { cni: cniOverride, cniOptions } = overrides;
  const inventory = inventoryOf(chosen, overrides);
  const plan = buildPlan(lab, { provider: chosen, cniOverride, cniOptions, cnis: registries.cnis, access, inventory });
  // About the lab's own CNI; what holds for the one chosen is in the plan's warnings.
  const ofFile = warnings.filter(({ code }) => !CNI_WARNINGS.has(code));
  return { plan, warnings: [...ofFile, ...planWarnings(lab, plan, registries.cnis)] };
}

function accessOf(provider: Provider, { kubeconfig, context }: LabOverrides): PlannedAccess | undefined {
  const given = { "--kubeconfig": kubeconfig, "--context": context };
  const options = Object.entries(given).flatMap(([option, value]) => (value === undefined ? [] : [option]));
  if (options.length === 0) return undefined;
  if (provider.takesExisting !== true) {
    const message = `${options.join(" and ")} cannot be given: provider ${provider.kind} makes a cluster of its own`;
    throw new LabError("USAGE_NO_CLUSTER_TO_CHOOSE", message, { hint: "add --provider existing" });
  }
  return {
    ...(kubeconfig === undefined ? {} : { kubeconfig: resolve(kubeconfig) }),
    ...(context === undefined ? {} : { context }),
  };
}

function inventoryOf(
  provider: Provider,
  { inventory, onAnyMachines = false }: LabOverrides,
): InventoryMachine[] | "any" | undefined {
  if (inventory === undefined) return onAnyMachines ? "any" : undefined;
  if (provider.takesMachines !== true) {
    const message = `--inventory cannot be given: provider ${provider.kind} needs no machines`;
    throw new LabError("USAGE_NO_MACHINES_TO_CHOOSE", message, { hint: "add --provider ssh" });
  }
  return readInventory(inventory);
}

/** {@link readLab} and {@link planLab}. */
export async function readPlan(
  argument: string,
  overrides: LabOverrides,
): Promise<{ plan: Plan; warnings: LabWarning[] }> {
  return planLab(await readLab(argument), overrides);
}
