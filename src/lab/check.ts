import * as z from "zod";
import { didYouMean } from "../core/suggest.ts";
import type { Cni } from "../cnis/types.ts";
import type { PlannedProbe } from "../plan/types.ts";
import { checkReferences } from "./check-references.ts";
import { checkSteps } from "./check-steps.ts";
import { checkTimes } from "./check-times.ts";
import { findOverlaps, networksOf } from "./cluster.ts";
import { DEFAULT_POD_CIDR_V6, POD_BOUNDS, podCidrsOf, readNetworks } from "./families.ts";
import { parseWith } from "./issues.ts";
import type { ReadProbe } from "./prepare.ts";
import { adminPolicyUse, policyNotEnforced } from "./policy-use.ts";
import type { ProblemList } from "./problems.ts";
import type { ReadStep } from "./read-manifests.ts";
import type { LabRegistries } from "./registries.ts";
import type { Lab } from "./types.ts";

/** A lab whose parts are right each on its own, with their places in the file. */
export interface LabToCheck {
  lab: Lab;
  steps: readonly ReadStep[];
  probes: readonly ReadProbe[];
  /** False where the topology or the cluster's networks have problems; the lab then holds placeholders. */
  isTopologyKnown: boolean;
  isClusterKnown: boolean;
  /** False where a manifest could not be read, so that a reference cannot be called missing. */
  knowsAllObjects: boolean;
}

/** Checks what concerns several parts of a lab at once; everything found goes to the list. */
export function checkLab(checked: LabToCheck, registries: LabRegistries, list: ProblemList): void {
  const { lab } = checked;
  const cni = registries.cnis[lab.cni.name] as Cni;
  checkCni(lab, cni, registries, list);
  checkNetworks(checked, cni, list);
  checkProbeNames(checked.probes, list);
  checkTasks(lab, list);
  checkReferences(checked, registries, list);
  checkSteps(checked, registries, list);
  checkTimes(checked, registries, list);
  const warning = policyNotEnforced(lab, cni, Object.values(registries.cnis));
  if (warning !== undefined) list.warnings.push({ ...warning, span: lab.cni.span });
  list.warnings.push(...adminPolicyUse(lab, cni, cni.enforcesAdminPolicy));
}

/** For CNIs that have no options. */
const noOptions = z.strictObject({});

function checkCni(lab: Lab, cni: Cni, registries: LabRegistries, list: ProblemList): void {
  const modes = cni.modes.map(({ name }) => name);
  if (lab.cni.mode !== undefined && !modes.includes(lab.cni.mode)) {
    list.error(
      "LAB_UNKNOWN_CNI_MODE",
      ["cni", "mode"],
      `${cni.name} has no mode ${JSON.stringify(lab.cni.mode)}`,
      didYouMean(lab.cni.mode, modes),
    );
  }
  for (const [index, claim] of (lab.cnis ?? []).entries()) {
    const known = (registries.cnis[claim.name] as Cni).modes.map(({ name }) => name);
    if (claim.mode === undefined || known.includes(claim.mode)) continue;
    list.error(
      "LAB_UNKNOWN_CNI_MODE",
      ["cnis", index, "mode"],
      `${claim.name} has no mode ${JSON.stringify(claim.mode)}`,
      didYouMean(claim.mode, known),
    );
  }
  const { problems } = parseWith(cni.options ?? noOptions, lab.cni.options, list.document, {
    base: ["cni", "options"],
  });
  list.problems.push(...problems);
  if (lab.cni.podCidr !== undefined) {
    const at = ["cni", "podCidr"];
    const { ipFamily } = lab;
    readNetworks(lab.cni.podCidr, at, { ipFamily, ipv6Default: DEFAULT_POD_CIDR_V6, bounds: POD_BOUNDS }, list);
  }
}

function checkNetworks({ lab, isClusterKnown, isTopologyKnown }: LabToCheck, cni: Cni, list: ProblemList): void {
  if (!isClusterKnown || !isTopologyKnown) return;
  const podCidrs = podCidrsOf(lab, lab.cni.podCidr, cni);
  for (const [first, second] of findOverlaps(networksOf(lab.topology, lab.cluster, podCidrs))) {
    // The place that says one of the two and is likeliest to be changed.
    const roles = [first.role, second.role];
    const places = [
      ...(roles.includes("pod") ? [["cni", "podCidr"]] : []),
      ...(roles.includes("service") ? [["cluster", "serviceCidr"]] : []),
      ["topology"],
    ];
    const at = places.find((place) => list.document.has(place)) ?? ["cni"];
    list.error("LAB_NETWORK_OVERLAP", at, `${second.what} (${second.cidr}) overlaps ${first.what} (${first.cidr})`);
  }
}

function checkProbeNames(probes: readonly ReadProbe[], list: ProblemList): void {
  const firsts = new Map<string, number>();
  for (const { entry, probe } of probes) {
    const at = [...entry.path, "name"];
    const line = list.document.span(at).line;
    const first = firsts.get(probe.name);
    if (first === undefined) firsts.set(probe.name, line);
    else
      list.error(
        "LAB_DUPLICATE_PROBE",
        at,
        `another probe, on line ${first}, is called ${JSON.stringify(probe.name)}`,
        "tasks name probes: give each its own name",
      );
  }
}

function checkTasks(lab: Lab, list: ProblemList): void {
  const names = lab.probes.map(({ name }: PlannedProbe) => name);
  checkTaskNames(lab, list);
  if (lab.tasks.length > 0 && lab.tasks.every(({ isBonus }) => isBonus === true))
    list.errorAtKey(
      "LAB_ONLY_BONUS",
      ["tasks", 0, "bonus"],
      "every task of this lab is a bonus: nothing would have to be done to pass it",
      "a bonus comes on top of a task without bonus: true",
    );
  for (const [index, task] of lab.tasks.entries()) {
    for (const [position, name] of task.probes.entries()) {
      if (names.includes(name)) continue;
      list.error(
        "LAB_UNKNOWN_PROBE_NAME",
        ["tasks", index, "probes", position],
        `no probe is called ${JSON.stringify(name.slice(0, 120))}`,
        didYouMean(name, names),
      );
    }
  }
}

function checkTaskNames(lab: Lab, list: ProblemList): void {
  const firsts = new Map<string, number>();
  for (const [index, { name }] of lab.tasks.entries()) {
    const at = ["tasks", index, "name"];
    const first = firsts.get(name);
    if (first === undefined) firsts.set(name, list.document.span(at).line);
    else
      list.error(
        "LAB_DUPLICATE_TASK",
        at,
        `another task, on line ${first}, is called ${JSON.stringify(name)}`,
        "a task without a name is called task-1, task-2, … by its place",
      );
  }
}
