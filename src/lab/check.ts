import { didYouMean } from "../core/suggest.ts";
import { parseCidr } from "../core/ip.ts";
import type { Cni } from "../cnis/types.ts";
import type { PlannedProbe } from "../plan/types.ts";
import { checkReferences } from "./check-references.ts";
import { checkOverlaps, networksOf } from "./cluster.ts";
import type { ReadProbe } from "./prepare.ts";
import { policyNotEnforced } from "./policy-use.ts";
import type { ProblemList } from "./problems.ts";
import type { ReadStep } from "./read-manifests.ts";
import type { LabRegistries } from "./registries.ts";
import { parseIpv4Network } from "./topology.ts";
import type { Lab } from "./types.ts";

/** A lab whose parts are right each on its own, with their places in the file. */
export interface LabToCheck {
  lab: Lab;
  steps: readonly ReadStep[];
  probes: readonly ReadProbe[];
  /** False where a manifest could not be read, so that a reference cannot be called missing. */
  knowsAllObjects: boolean;
}

/** Checks what concerns several parts of a lab at once; everything found goes to the list. */
export function checkLab(checked: LabToCheck, registries: LabRegistries, list: ProblemList): void {
  const { lab } = checked;
  checkCni(lab, registries, list);
  checkProbeNames(checked.probes, list);
  checkTasks(lab, list);
  checkReferences(checked, registries, list);
  const cni = registries.cnis[lab.cni.name] as Cni;
  const warning = policyNotEnforced(lab, cni, Object.values(registries.cnis));
  if (warning !== undefined) list.warnings.push({ ...warning, span: lab.cni.span });
}

function checkCni(lab: Lab, registries: LabRegistries, list: ProblemList): void {
  const cni = registries.cnis[lab.cni.name] as Cni;
  const modes = cni.modes.map(({ name }) => name);
  if (lab.cni.mode !== undefined && !modes.includes(lab.cni.mode)) {
    list.error("LAB_UNKNOWN_CNI_MODE", ["cni", "mode"], `${cni.name} has no mode ${JSON.stringify(lab.cni.mode)}`, didYouMean(lab.cni.mode, modes));
  }
  for (const [index, claim] of (lab.cnis ?? []).entries()) {
    const known = (registries.cnis[claim.name] as Cni).modes.map(({ name }) => name);
    if (claim.mode === undefined || known.includes(claim.mode)) continue;
    list.error("LAB_UNKNOWN_CNI_MODE", ["cnis", index, "mode"], `${claim.name} has no mode ${JSON.stringify(claim.mode)}`, didYouMean(claim.mode, known));
  }
  if (lab.cni.podCidr !== undefined) {
    const at = ["cni", "podCidr"];
    const cidr = parseIpv4Network(lab.cni.podCidr, at, list);
    if (cidr === undefined) return;
    if (cidr.prefixLength < 8 || cidr.prefixLength > 24) {
      list.error("LAB_BAD_CIDR", at, `the pod network must be between /8 and /24, not /${cidr.prefixLength}`);
    }
  }
  const podCidr = lab.cni.podCidr ?? cni.defaultPodCidr;
  if (parseCidr(podCidr) === undefined) return;
  const at = lab.cni.podCidr !== undefined ? ["cni", "podCidr"] : list.document.has(["cluster", "serviceCidr"]) ? ["cluster", "serviceCidr"] : ["topology"];
  checkOverlaps(networksOf(lab.topology, lab.cluster, podCidr), at, list);
}

function checkProbeNames(probes: readonly ReadProbe[], list: ProblemList): void {
  const firsts = new Map<string, number>();
  for (const { entry, probe } of probes) {
    const at = [...entry.path, "name"];
    const line = list.document.span(at).line;
    const first = firsts.get(probe.name);
    if (first === undefined) firsts.set(probe.name, line);
    else list.error("LAB_DUPLICATE_PROBE", at, `another probe, on line ${first}, is called ${JSON.stringify(probe.name)}`, "tasks name probes: give each its own name");
  }
}

function checkTasks(lab: Lab, list: ProblemList): void {
  const names = lab.probes.map(({ name }: PlannedProbe) => name);
  for (const [index, task] of lab.tasks.entries()) {
    for (const [position, name] of task.probes.entries()) {
      if (names.includes(name)) continue;
      list.error("LAB_UNKNOWN_PROBE_NAME", ["tasks", index, "probes", position], `no probe is called ${JSON.stringify(name.slice(0, 120))}`, didYouMean(name, names));
    }
  }
}
