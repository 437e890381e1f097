import type { Cni, CniMode } from "../cnis/types.ts";
import { LabError, LabProblems, type LabWarning } from "../core/errors.ts";
import { findOverlaps, networksOf } from "../lab/cluster.ts";
import { policyNotEnforced } from "../lab/policy-use.ts";
import { LAB_API_VERSION } from "../lab/schema.ts";
import type { Lab } from "../lab/types.ts";
import { chooseCni, refusals, type PlanProvider } from "./refusals.ts";
import type { Plan, PlannedTopology } from "./types.ts";

/** Where to run a lab. */
export interface PlanOptions {
  provider: PlanProvider;
  /** Instead of the lab's own; must be one that the lab claims. */
  cniOverride?: { name: string; mode?: string | undefined } | undefined;
  cnis: Readonly<Record<string, Cni>>;
}

/**
 * The plan of a lab on a provider: plain data, the same for the same lab and options. Throws LabProblems with every
 * reason (codes PLAN_*) where the provider or the CNI does not suffice.
 */
export function buildPlan(lab: Lab, { provider, cniOverride, cnis }: PlanOptions): Plan {
  const { cni, mode } = chooseCni(lab, cnis, cniOverride);
  const isOwn = cni.name === lab.cni.name;
  // Another CNI gets its own pod network: what a lab sets is meant for the CNI that it names.
  const podCidr = (isOwn ? lab.cni.podCidr : undefined) ?? cni.defaultPodCidr;
  const reasons = refusals(lab, { provider, cni, mode });
  for (const [first, second] of findOverlaps(networksOf(lab.topology, lab.cluster, podCidr))) {
    const message = `${second.what} of ${cni.name} (${second.cidr}) overlaps ${first.what} (${first.cidr})`;
    reasons.push(
      new LabError("PLAN_NETWORK_OVERLAP", message, {
        hint: "set cni.podCidr or cluster.serviceCidr",
        span: lab.cni.span,
      }),
    );
  }
  if (reasons.length > 0) throw new LabProblems(reasons);
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
    topology: lab.topology,
    cni: {
      name: cni.name,
      mode,
      podCidrs: [podCidr],
      mtu: (isOwn ? lab.cni.mtu : undefined) ?? smallestMtu(lab.topology) - modeFacts.overheadBytes,
      enforcesPolicy: cni.enforcesPolicy,
      options: isOwn ? lab.cni.options : {},
    },
    cluster: lab.cluster,
    scenario: lab.scenario,
    probes: lab.probes,
    tasks: lab.tasks,
  };
}

/**
 * What the user should know of a plan: a policy lab on a CNI that enforces none. Of loadLab's warnings the one with code
 * LAB_POLICY_NOT_ENFORCED is about the lab's own CNI; after an override this list holds instead.
 */
export function planWarnings(lab: Lab, plan: Plan, cnis: Readonly<Record<string, Cni>>): LabWarning[] {
  const warning = policyNotEnforced(lab, cnis[plan.cni.name] as Cni, Object.values(cnis));
  return warning === undefined ? [] : [{ ...warning, span: lab.cni.span }];
}

/** The MTU that every path between two nodes can carry, which is what CNIs detect on their node interfaces. */
function smallestMtu(topology: PlannedTopology): number {
  return Math.min(...topology.nodes.flatMap(({ interfaces }) => interfaces.map(({ mtu }) => mtu)));
}
