import type { Cni, CniMode } from "../cnis/types.ts";
import { LabError, LabProblems, type LabWarning } from "../core/errors.ts";
import { findOverlaps, networksOf } from "../lab/cluster.ts";
import { podCidrsOf } from "../lab/families.ts";
import type { InventoryMachine } from "../lab/inventory.ts";
import { adminPolicyUse, policyNotEnforced } from "../lab/policy-use.ts";
import { LAB_API_VERSION } from "../lab/schema.ts";
import type { Lab } from "../lab/types.ts";
import { assignMachines, machinesOfTopology, type Assigned } from "./assign-machines.ts";
import { optionsWithoutCni, readCniOptions, type CniOptionTexts } from "./cni-options.ts";
import { featuresNeeded } from "./needs.ts";
import { podMtu } from "./pod-mtu.ts";
import { chooseCni, refusals, type PlanProvider } from "./refusals.ts";
import type { Plan, PlannedAccess } from "./types.ts";

/** Where to run a lab. */
export interface PlanOptions {
  provider: PlanProvider;
  /** Instead of the lab's own; must be one that the lab claims. */
  cniOverride?: { name: string; mode?: string | undefined } | undefined;
  /** Of the CNI that `cniOverride` names, on top of the lab's own where it is the lab's own CNI. */
  cniOptions?: CniOptionTexts | undefined;
  cnis: Readonly<Record<string, Cni>>;
  /** For a provider that takes a cluster that is there. */
  access?: PlannedAccess | undefined;
  /** For a provider that takes machines that are there; absent: those that the topology names. "any": the plan is for whichever. */
  inventory?: readonly InventoryMachine[] | "any" | undefined;
}

/**
 * The plan of a lab on a provider: plain data, the same for the same lab and options. Throws LabProblems with every
 * reason (codes PLAN_*) where the provider or the CNI does not suffice; USAGE_CNI_OPTION.
 */
export function buildPlan(lab: Lab, options: PlanOptions): Plan {
  const { provider, cniOverride, cniOptions = {}, cnis, access, inventory } = options;
  const { cni, mode } = chooseCni(lab, cnis, cniOverride);
  const isOwn = cni.name === lab.cni.name;
  // Another CNI gets its own pod network: what a lab sets is meant for the CNI that it names.
  const podCidrs = podCidrsOf(lab, isOwn ? lab.cni.podCidr : undefined, cni);
  const given = readCniOptions(cni, cniOptions);
  if (cniOverride === undefined && Object.keys(cniOptions).length > 0) throw optionsWithoutCni(cniOptions);
  const inForce = { ...(isOwn ? lab.cni.options : {}), ...given.options };
  const reasons = [...given.problems, ...refusals(lab, { provider, cni, mode, options: inForce })];
  for (const [first, second] of findOverlaps(networksOf(lab.topology, lab.cluster, podCidrs))) {
    const message = `${second.what} of ${cni.name} (${second.cidr}) overlaps ${first.what} (${first.cidr})`;
    reasons.push(
      new LabError("PLAN_NETWORK_OVERLAP", message, {
        hint: "set cni.podCidr or cluster.serviceCidr",
        span: lab.cni.span,
      }),
    );
  }
  if (reasons.length > 0) throw new LabProblems(reasons);
  const assigned = provider.takesMachines === true && inventory !== "any" ? machinesOf(lab, inventory) : undefined;
  const modeFacts = cni.modes.find(({ name }) => name === mode) as CniMode;
  return {
    apiVersion: LAB_API_VERSION,
    lab: {
      name: lab.name,
      title: lab.title,
      ...(lab.level === undefined ? {} : { level: lab.level }),
      ...(lab.minutes === undefined ? {} : { minutes: lab.minutes }),
      file: lab.file,
      directory: lab.directory,
    },
    provider: provider.kind,
    topology: { ...lab.topology, nodes: assigned?.nodes ?? lab.topology.nodes },
    cni: {
      name: cni.name,
      mode,
      podCidrs,
      mtu: podMtu(lab, cni, modeFacts),
      enforcesPolicy: cni.enforcesPolicy,
      ...((provider.models === undefined ? cni.install : cni).enforcesAdminPolicy ? { enforcesAdminPolicy: true } : {}),
      options: inForce,
    },
    cluster: lab.cluster,
    ...(lab.realCluster === undefined ? {} : { realCluster: lab.realCluster }),
    ...(access === undefined ? {} : { access }),
    ...(assigned === undefined ? {} : { machines: assigned.machines }),
    ...(assigned?.external === undefined ? {} : { external: assigned.external }),
    ...(lab.timeLimit === undefined ? {} : { timeLimit: lab.timeLimit }),
    scenario: lab.scenario,
    probes: lab.probes,
    tasks: lab.tasks,
  };
}

/**
 * What the user should know of a plan: a policy lab on a CNI that enforces none, and cluster-wide policies that it does not enforce or
 * enforces otherwise than the release. Of loadLab's warnings those with codes of CNI_WARNINGS are about the lab's own CNI; this list
 * holds instead.
 */
export function planWarnings(lab: Lab, plan: Plan, cnis: Readonly<Record<string, Cni>>): LabWarning[] {
  const cni = cnis[plan.cni.name] as Cni;
  const warning = policyNotEnforced(lab, cni, Object.values(cnis));
  const ofAdmin = adminPolicyUse(lab, cni, plan.cni.enforcesAdminPolicy === true);
  return warning === undefined ? ofAdmin : [{ ...warning, span: lab.cni.span }, ...ofAdmin];
}

function machinesOf(lab: Lab, inventory: readonly InventoryMachine[] | undefined): Assigned {
  const whyExternal = featuresNeeded(lab).get("external-host");
  return inventory === undefined
    ? machinesOfTopology(lab.topology, whyExternal)
    : assignMachines(lab.topology, inventory, whyExternal);
}
