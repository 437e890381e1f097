import type { Cni } from "../cnis/types.ts";
import { cniText } from "../core/cni-text.ts";
import { LabError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import { usesPolicy } from "../lab/policy-use.ts";
import type { Lab } from "../lab/types.ts";
import type { Capabilities, Provider } from "../providers/types.ts";
import { featuresNeeded } from "./needs.ts";
import { tooSmallForIpv6 } from "./pod-mtu.ts";
import { sctpRefusals } from "./sctp.ts";

const NO_REASONS: Readonly<Record<string, string>> = {};

/** What {@link refusals} and buildPlan need of a provider. */
export interface PlanProvider extends Pick<Provider, "refusals" | "takesMachines" | "models"> {
  kind: string;
  capabilities(): Capabilities;
}

/** Where a lab is to run. */
export interface PlanTarget {
  provider: PlanProvider;
  cni: Cni;
  mode: string;
  /** The CNI's; default: those that the lab has for it. */
  options?: Record<string, unknown>;
}

/** The CNI and mode for a lab: the command line's, else the lab's. Throws PLAN_UNKNOWN_CNI and PLAN_UNKNOWN_CNI_MODE. */
export function chooseCni(
  lab: Lab,
  cnis: Readonly<Record<string, Cni>>,
  override: { name: string; mode?: string | undefined } | undefined,
): { cni: Cni; mode: string } {
  const { name } = override ?? lab.cni;
  const cni = Object.hasOwn(cnis, name) ? cnis[name] : undefined;
  if (cni === undefined) {
    throw new LabError("PLAN_UNKNOWN_CNI", `unknown CNI ${JSON.stringify(name)}`, {
      hint: didYouMean(name, Object.keys(cnis)),
    });
  }
  const isLabsOwn = override === undefined || override.name === lab.cni.name;
  const mode = override?.mode ?? (isLabsOwn ? lab.cni.mode : undefined) ?? cni.defaultMode;
  const modes = cni.modes.map((known) => known.name);
  if (!modes.includes(mode)) {
    throw new LabError("PLAN_UNKNOWN_CNI_MODE", `${name} has no mode ${JSON.stringify(mode)}`, {
      hint: didYouMean(mode, modes),
    });
  }
  return { cni, mode };
}

/** Every reason why a lab cannot run there; empty where it can. */
export function refusals(lab: Lab, target: PlanTarget): LabError[] {
  const { provider, cni, mode, options = cni.name === lab.cni.name ? lab.cni.options : {} } = target;
  const capabilities = provider.capabilities();
  const { cnis, probes, scenarios, faults = [], features } = capabilities;
  const found: LabError[] = [];
  const refuse = (code: string, message: string, hint?: string): void => {
    found.push(new LabError(code, message, { hint, ...(code.startsWith("PLAN_CNI") ? { span: lab.cni.span } : {}) }));
  };
  if (lab.providers !== undefined && !lab.providers.includes(provider.kind)) {
    refuse(
      "PLAN_PROVIDER_NOT_CLAIMED",
      `lab ${lab.name} does not claim provider ${provider.kind}`,
      `it claims: ${lab.providers.join(", ")}`,
    );
  }
  if (!claimsCni(lab, cni.name, mode)) {
    refuse(
      "PLAN_CNI_NOT_CLAIMED",
      `lab ${lab.name} does not claim ${cni.name} in mode ${mode}`,
      `it claims: ${claimedCnis(lab).join(", ")}`,
    );
  } else if (lab.cnis === undefined && cni.name !== lab.cni.name && !cni.enforcesPolicy && usesPolicy(lab)) {
    refuse("PLAN_CNI_NO_POLICY", `lab ${lab.name} needs NetworkPolicy, which ${cni.name} does not enforce`);
  }
  if (!(Object.hasOwn(cnis, cni.name) ? cnis[cni.name] : undefined)?.includes(mode)) {
    const known = Object.entries(cnis).flatMap(([name, modes]) => modes.map((known) => `${name}:${known}`));
    refuse(
      "PLAN_CNI_MODE_UNSUPPORTED",
      `provider ${provider.kind} cannot make ${cni.name} in mode ${mode}`,
      `it can: ${known.join(", ")}`,
    );
  }
  const lacking = capabilities.cniLacks?.(cni.name, { mode, options });
  if (lacking !== undefined) {
    const message = `provider ${provider.kind} cannot make ${cniText(cni.name, mode, options)}: ${lacking}`;
    refuse("PLAN_CNI_OPTION_UNSUPPORTED", message, "leave the option out, or take another mode or provider");
  }
  const lacks = (what: string, used: readonly string[], able: readonly string[], why = NO_REASONS): void => {
    for (const kind of new Set(used)) {
      const reason = Object.hasOwn(why, kind) ? `: ${why[kind]}` : "";
      if (!able.includes(kind))
        refuse("PLAN_PROVIDER_LACKS", `provider ${provider.kind} has no ${what} ${kind}${reason}`);
    }
  };
  const modeFacts = cni.modes.find(({ name }) => name === mode);
  const dualStack = modeFacts?.dualStack;
  if (lab.ipFamily === "dual" && dualStack !== undefined && "lacking" in dualStack) {
    refuse(
      "PLAN_CNI_SINGLE_STACK",
      `${cni.name} in mode ${mode} makes no dual-stack cluster: ${dualStack.lacking}`,
      "take another CNI or mode, or leave cluster.ipFamily out",
    );
  } else if (modeFacts !== undefined) {
    found.push(...tooSmallForIpv6(lab, cni, modeFacts));
  }
  lacks(
    "probe",
    lab.probes.map(({ kind }) => kind),
    probes,
    capabilities.probesLack,
  );
  lacks(
    "scenario step",
    lab.scenario.map(({ kind }) => kind),
    scenarios,
  );
  found.push(...faultsLacking(lab, provider.kind, scenarios.includes("fault") ? faults : undefined));
  for (const [feature, why] of featuresNeeded(lab)) {
    if (!features.includes(feature))
      refuse("PLAN_PROVIDER_LACKS", `provider ${provider.kind} has no ${feature}, and ${why}`);
  }
  return [...found, ...sctpRefusals(lab), ...(provider.refusals?.(lab) ?? [])];
}

/** The steps whose fault the provider cannot make, each at its line; `faults` is undefined where it has no such step at all. */
function faultsLacking(lab: Lab, provider: string, faults: readonly string[] | undefined): LabError[] {
  if (faults === undefined) return [];
  return lab.scenario.flatMap(({ kind, options, span }) => {
    const fault = kind === "fault" ? (options as { kind: string }).kind : undefined;
    if (fault === undefined || faults.includes(fault)) return [];
    return new LabError("PLAN_PROVIDER_LACKS", `provider ${provider} has no fault ${fault}`, {
      hint: `it has: ${faults.join(", ")}`,
      ...(span === undefined ? {} : { span }),
    });
  });
}

/** Whether a lab says that it works with a CNI in a mode: its own CNI, or one of `cnis:` where it has such a list. */
function claimsCni(lab: Lab, name: string, mode: string): boolean {
  if (lab.cnis === undefined) return true;
  return [lab.cni, ...lab.cnis].some(
    (claim) => claim.name === name && (claim.mode === undefined || claim.mode === mode),
  );
}

/** What a lab claims, each once: a CNI claimed in any mode stands for all claims of its modes. */
function claimedCnis(lab: Lab): string[] {
  const claims = [lab.cni, ...(lab.cnis ?? [])];
  const inAnyMode = new Set(claims.filter(({ mode }) => mode === undefined).map(({ name }) => name));
  const texts = claims.map(({ name, mode }) => (mode === undefined || inAnyMode.has(name) ? name : `${name}:${mode}`));
  return [...new Set(texts)];
}

/** One place a lab could run, and why not. */
export interface LabRun {
  provider: string;
  cni: string;
  mode: string;
  supported: boolean;
  /** The first reason, where it is not supported. */
  reason?: string;
}

/** Every combination of provider, CNI and mode that exists, with the verdict for this lab; in registry order. */
export function labRuns(lab: Lab, providers: readonly PlanProvider[], cnis: readonly Cni[]): LabRun[] {
  return providers.flatMap((provider) =>
    cnis.flatMap((cni) =>
      cni.modes.map(({ name: mode }): LabRun => {
        const [first] = refusals(lab, { provider, cni, mode });
        const run = { provider: provider.kind, cni: cni.name, mode };
        return first === undefined ? { ...run, supported: true } : { ...run, supported: false, reason: first.message };
      }),
    ),
  );
}
