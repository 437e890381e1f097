import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { LabError, LabProblems, type LabWarning } from "../core/errors.ts";
import { sortProblems } from "../core/format-error.ts";
import type { ManifestObject } from "../kube/manifest-check.ts";
import { isAdminPolicy } from "../kube/admin-policy-types.ts";
import type { KubeObject, NetworkPolicy } from "../kube/types.ts";
import { readPlainFile } from "../lab/manifest-files.ts";
import { type ManifestText, readManifestFolder, readManifestTexts } from "../lab/manifest-folder.ts";
import { withoutSctpProbes } from "../plan/sctp.ts";
import type { Plan } from "../plan/types.ts";
import { policyName } from "../policy/oracle.ts";
import { priorityWarnings } from "../policy/priorities.ts";
import type { OracleWorld, PlacedAdminPolicy, PlacedPolicy, PolicyPlaces } from "../policy/types.ts";
import { attachLab } from "./attach-lab.ts";
import type { RunContext } from "./context.ts";
import { CLUSTER_WORD, readCluster } from "./explain-cluster.ts";
import { findKnownLab, shownPath } from "./find-lab.ts";
import { deletedRefs, readManifest } from "./lens.ts";
import { placeAdminPolicy, placePolicy } from "./policy-places.ts";
import { planLab, readLab } from "./read-lab.ts";
import { referenceObjects } from "./reference-objects.ts";
import { liveWorld } from "./reference-world.ts";

/** Objects to explain flows by, and where they come from. */
export interface PolicySource {
  /** As output names it. */
  name: string;
  kind: "manifests" | "revision" | "lab" | "running-lab" | "cluster";
  objects: readonly KubeObject[];
  policies: readonly PlacedPolicy[];
  adminPolicies: readonly PlacedAdminPolicy[];
  nodes: NonNullable<OracleWorld["nodes"]>;
  /** For pods whose addresses nobody knows; none where nothing says. */
  podCidrs: readonly string[];
  warnings: LabWarning[];
}

/** What to read. */
export interface SourceRequest {
  /** A lab, a folder or file of manifests, or the word for the kubeconfig's cluster. */
  argument: string;
  /** Of a lab: with its tasks' reference solutions. */
  solved: boolean;
  /** Which cluster. */
  kubeconfig?: string | undefined;
  context?: string | undefined;
}

/** Problems of manifests beyond these are not shown: whoever has more mends the first ones first. */
const MAX_PROBLEMS = 100;

/**
 * What LAB|DIR means: the word `cluster` for that of the kubeconfig, where nothing has that name; a folder or file of manifests; a lab that runs, with its objects as they are now; else a lab's
 * file, with what its scenario applies (with `solved`, its tasks' solutions, too). Throws LAB_NOT_FOUND and LabProblems.
 */
export async function readSource(request: SourceRequest, context: RunContext): Promise<PolicySource> {
  const source = await readAny(request, context);
  return { ...source, warnings: [...source.warnings, ...priorityWarnings(source.adminPolicies)] };
}

async function readAny({ argument, solved, ...access }: SourceRequest, context: RunContext): Promise<PolicySource> {
  const isCluster = argument === CLUSTER_WORD && !existsSync(argument);
  if (isCluster) return readCluster(access, context.env);
  const isChosen = access.kubeconfig !== undefined || access.context !== undefined;
  if (isChosen) {
    const message = `--kubeconfig and --context choose a cluster, and ${argument} is none`;
    throw new LabError("USAGE_NO_CLUSTER_TO_CHOOSE", message, { hint: `write ${CLUSTER_WORD} in its place` });
  }
  const manifests = await manifestsAt(argument);
  if (manifests !== undefined) return sourceOf(shownPath(argument), "manifests", manifests);
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

/** The manifests below a folder without a lab.yaml, or of one file that is no lab; undefined for anything else. */
export async function manifestsAt(argument: string): Promise<ManifestText[] | undefined> {
  if (!existsSync(argument)) return undefined;
  if (statSync(argument).isDirectory()) {
    return existsSync(join(argument, "lab.yaml")) ? undefined : readManifestFolder(argument, shownPath(argument));
  }
  const bytes = await readPlainFile(argument, shownPath(argument));
  if (bytes instanceof LabError) throw bytes;
  return isLabText(new TextDecoder().decode(bytes)) ? undefined : [{ name: shownPath(argument), bytes }];
}

function isLabText(text: string): boolean {
  return /^\s*["']?apiVersion["']?\s*:\s*["']?cnilab\.dev\//m.test(text);
}

/** Manifests as a source; throws LabProblems, or MANIFEST_EMPTY where there is no object at all. */
export function sourceOf(name: string, kind: PolicySource["kind"], texts: readonly ManifestText[]): PolicySource {
  const { objects, problems, warnings } = readManifestTexts(texts);
  if (problems.length > 0) throw new LabProblems(sortProblems(problems).slice(0, MAX_PROBLEMS));
  if (objects.length === 0) {
    throw new LabError("MANIFEST_EMPTY", `there is no Kubernetes object in ${name}`, {
      hint: "a folder with .yaml, .yml or .json files of pods, workloads, Services and NetworkPolicies",
    });
  }
  return {
    name,
    kind,
    objects: objects.map(({ object }) => object),
    policies: objects
      .filter(({ object }) => object.kind === "NetworkPolicy")
      .map((item) => ({ policy: item.object as NetworkPolicy, ...placesOf(item) })),
    adminPolicies: objects.flatMap((item) =>
      isAdminPolicy(item.object) ? [{ policy: item.object, ...placesOf(item) }] : [],
    ),
    nodes: [],
    podCidrs: [],
    warnings,
  };
}

function placesOf({ object, spanAt }: ManifestObject): PolicyPlaces {
  const { spec } = object as NetworkPolicy;
  const rules = (direction: "ingress" | "egress") =>
    (spec[direction] ?? []).map((_rule, index) => spanAt(["spec", direction, index]));
  return { span: spanAt([]), ruleSpans: { ingress: rules("ingress"), egress: rules("egress") } };
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
