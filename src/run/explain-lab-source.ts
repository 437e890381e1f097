import { LabError, type LabWarning } from "../core/errors.ts";
import { isAdminPolicy } from "../kube/admin-policy-types.ts";
import { withoutSctpProbes } from "../plan/sctp.ts";
import type { Plan } from "../plan/types.ts";
import { policyName } from "../policy/oracle.ts";
import { attachLab } from "./attach-lab.ts";
import type { RunContext } from "./context.ts";
import { refuseInExam } from "./exam/refuse-in-exam.ts";
import type { PolicySource } from "./explain-source.ts";
import { findKnownLab } from "./find-lab.ts";
import { deletedRefs, readManifest } from "./lens.ts";
import { placeAdminPolicy, placePolicy } from "./policy-places.ts";
import { planLab, readLab } from "./read-lab.ts";
import { referenceObjects } from "./reference-objects.ts";
import { liveWorld } from "./reference-world.ts";

/**
 * A lab that runs, with its objects as they are now; else a lab's file, with what its scenario applies (with `solved`, its tasks'
 * solutions, too). Throws LAB_NOT_FOUND and LabProblems.
 */
export async function readLabSource(argument: string, solved: boolean, context: RunContext): Promise<PolicySource> {
  if (!solved) {
    const running = await readRunning(argument, context);
    if (running !== undefined) return running;
  }
  const read = await readLab(argument);
  const { plan, warnings } = planLab({ ...read, lab: withoutSctpProbes(read.lab) }, { onAnyMachines: true });
  return solved
    ? { ...planSource(plan, warnings), name: `${plan.lab.name} with its solutions` }
    : planSource({ ...plan, tasks: [] }, warnings);
}

function planSource(plan: Plan, warnings: LabWarning[]): PolicySource {
  const objects = referenceObjects(plan, deletedRefs);
  return {
    name: plan.lab.name,
    kind: "lab",
    objects: objects.map(({ object }) => object),
    policies: objects
      .filter(({ object }) => object.kind === "NetworkPolicy")
      .map((planned) => placePolicy(planned, readManifest(plan, planned.file))),
    adminPolicies: objects
      .filter(({ object }) => isAdminPolicy(object))
      .map((planned) => placeAdminPolicy(planned, readManifest(plan, planned.file))),
    nodes: nodesOf(plan),
    podCidrs: plan.cni.podCidrs,
    warnings,
  };
}

async function readRunning(argument: string, context: RunContext): Promise<PolicySource | undefined> {
  let attached;
  try {
    attached = await attachLab(findKnownLab(context.stateRoot, argument), context);
  } catch (error) {
    if (error instanceof LabError && NOT_RUNNING.has(error.code)) return undefined;
    throw error;
  }
  const { record, cluster } = attached;
  try {
    refuseInExam(record, "explain", context);
    const { plan } = record;
    const objects = await cluster.list();
    const { policies } = liveWorld({ plan, objects, deletedRefs, readText: (file) => readManifest(plan, file) });
    const { podCidrs } = plan.cni;
    const adminPolicies = objects.filter(isAdminPolicy).map((policy) => ({ policy }));
    return {
      name: plan.lab.name,
      kind: "running-lab",
      objects,
      policies,
      adminPolicies,
      nodes: nodesOf(plan),
      podCidrs,
      warnings:
        plan.cni.enforcesAdminPolicy === true ? [] : adminPolicies.map((placed) => notEnforced(policyName(placed))),
    };
  } finally {
    await cluster.close();
  }
}

/** What runs here does less than its objects say. */
function notEnforced(name: string): LabWarning {
  return {
    code: "MANIFEST_NOT_ENFORCED",
    message: `${name} is not enforced in this lab: verdicts are those of a cluster that does enforce it`,
    hint: "probes see what NetworkPolicies alone let through",
  };
}

const NOT_RUNNING = new Set(["LAB_NOT_RUNNING", "LAB_NOT_FOUND", "LAB_NAME_TAKEN"]);

function nodesOf({ topology }: Plan): PolicySource["nodes"] {
  return topology.nodes.map(({ name, labels, interfaces }) => ({
    name,
    labels,
    addresses: interfaces.flatMap(({ addresses }) => addresses),
  }));
}
