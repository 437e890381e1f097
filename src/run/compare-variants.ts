import { cniText } from "../core/cni-text.ts";
import { LabProblems } from "../core/errors.ts";
import { optionsFor, type CniOptionTexts } from "../plan/cni-options.ts";
import { chooseCni } from "../plan/refusals.ts";
import type { Plan } from "../plan/types.ts";
import { defaultProvider, providers as knownProviders } from "../providers/registry.ts";
import type { Provider } from "../providers/types.ts";
import type { ComparedVariant, Variant } from "../report/compare-types.ts";
import type { RunContext } from "./context.ts";
import { planLab, type LabOverrides, type ReadLab } from "./read-lab.ts";
import { registries } from "./registries.ts";

const TOLD_BY_CELLS: ReadonlySet<string> = new Set(["LAB_POLICY_NOT_ENFORCED", "MANIFEST_NOT_ENFORCED"]);

/** What to run a lab on: a plan, or why there is none. */
export type PlannedVariant = { variant: Variant; plan: Plan } | { variant: Variant; notRun: ComparedVariant["notRun"] };

/** Every provider with every CNI; an empty list stands for what the lab says. */
export interface VariantRequest {
  cnis: readonly NonNullable<LabOverrides["cni"]>[];
  providers: readonly string[];
  /** Each goes to those of the CNIs that have it. */
  cniOptions?: CniOptionTexts | undefined;
  /** For those of the providers that take machines. */
  inventory?: string | undefined;
}

/**
 * Plans a lab for each variant, each once. One that lab or provider refuse is told with its reason; what is wrong whatever
 * the lab (an unknown CNI, mode, option or provider) is thrown.
 */
export function planVariants(
  read: ReadLab,
  { cnis, providers, cniOptions = {}, inventory }: VariantRequest,
  { emit }: RunContext,
): PlannedVariant[] {
  const ofProviders = providers.length === 0 ? [undefined] : providers;
  const ofCnis = cnis.length === 0 ? [undefined] : cnis;
  const planned = new Map<string, PlannedVariant>();
  for (const provider of ofProviders) {
    for (const cni of ofCnis) {
      const own = cni === undefined ? cniOptions : optionsFor(cni, cnis, { cnis: registries.cnis, texts: cniOptions });
      const one = planVariant(read, { provider, cni, cniOptions: own, inventory }, emit);
      const key = variantKey(one.variant);
      if (!planned.has(key)) planned.set(key, one);
    }
  }
  return [...planned.values()];
}

const providers: Readonly<Record<string, Provider>> = knownProviders;

/** Equal for one provider, CNI, mode and options. */
export function variantKey({ provider, cni, mode, options = {} }: Variant): string {
  return JSON.stringify([provider, cniText(cni, mode, options)]);
}

function planVariant(read: ReadLab, overrides: LabOverrides, emit: RunContext["emit"]): PlannedVariant {
  const { lab } = read;
  const { cni, mode } = chooseCni(lab, registries.cnis, overrides.cni);
  const provider = overrides.provider ?? lab.providers?.[0] ?? defaultProvider;
  // A model follows one release; real clusters are given another.
  const isModelled = Object.hasOwn(providers, provider) && providers[provider]?.models !== undefined;
  const cniVersion = isModelled ? cni.version : cni.install.version;
  const variant: Variant = { provider, cni: cni.name, mode, cniVersion };
  try {
    const takesMachines = Object.hasOwn(providers, provider) && providers[provider]?.takesMachines === true;
    const { inventory, ...others } = overrides;
    const { plan, warnings } = planLab(read, takesMachines ? { ...others, inventory } : others);
    // What a CNI does not enforce is told beside each cell that it concerns.
    for (const warning of warnings) {
      if (!TOLD_BY_CELLS.has(warning.code)) emit({ type: "warning", warning });
    }
    const { options } = plan.cni;
    return { variant: Object.keys(options).length === 0 ? variant : { ...variant, options }, plan };
  } catch (error) {
    if (!(error instanceof LabProblems) || !error.problems.every(({ code }) => code.startsWith("PLAN_"))) throw error;
    const [first] = error.problems;
    const message = error.problems.map((problem) => problem.message).join("; ");
    const hint = first?.hint;
    return {
      variant,
      notRun: { code: first?.code ?? "", message, isRefusal: true, ...(hint === undefined ? {} : { hint }) },
    };
  }
}
