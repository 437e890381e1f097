import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { LabError, LabProblems, type LabWarning } from "../core/errors.ts";
import { shownPath } from "../core/shown-path.ts";
import { sortProblems } from "../core/format-error.ts";
import type { ManifestObject } from "../kube/manifest-check.ts";
import { isAdminPolicy } from "../kube/admin-policy-types.ts";
import type { KubeObject, NetworkPolicy } from "../kube/types.ts";
import { readPlainFile } from "../lab/manifest-files.ts";
import { type ManifestText, readManifestFolder, readManifestTexts } from "../lab/manifest-folder.ts";
import { priorityWarnings } from "../policy/priorities.ts";
import type { OracleWorld, PlacedAdminPolicy, PlacedPolicy, PolicyPlaces } from "../policy/types.ts";
import type { RunContext } from "./context.ts";
import { withPlaces } from "./with-places.ts";

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

/** The word that stands for the kubeconfig's cluster in place of a lab or folder. */
const CLUSTER_WORD = "cluster";

/** Problems of manifests beyond these are not shown: whoever has more mends the first ones first. */
const MAX_PROBLEMS = 100;

/**
 * What LAB|DIR means (what reads labs and clusters is loaded for these alone): the word `cluster` for that of the kubeconfig, where nothing has that name; a folder or file of manifests; a lab that runs, with its objects as they are now; else a lab's
 * file, with what its scenario applies (with `solved`, its tasks' solutions, too). Throws LAB_NOT_FOUND and LabProblems.
 */
export async function readSource(request: SourceRequest, context: RunContext): Promise<PolicySource> {
  const source = await readAny(request, context);
  return { ...source, warnings: [...source.warnings, ...priorityWarnings(source.adminPolicies)] };
}

async function readAny({ argument, solved, ...access }: SourceRequest, context: RunContext): Promise<PolicySource> {
  const isCluster = argument === CLUSTER_WORD && !existsSync(argument);
  if (isCluster) return (await import("./explain-cluster.ts")).readCluster(access, context.env);
  const isChosen = access.kubeconfig !== undefined || access.context !== undefined;
  if (isChosen) {
    const message = `--kubeconfig and --context choose a cluster, and ${argument} is none`;
    throw new LabError("USAGE_NO_CLUSTER_TO_CHOOSE", message, { hint: `write ${CLUSTER_WORD} in its place` });
  }
  const manifests = await manifestsAt(argument);
  if (manifests !== undefined) return sourceOf(shownPath(argument), "manifests", manifests);
  const { readLabSource } = await import("./explain-lab-source.ts");
  return readLabSource(argument, solved, context);
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
      .map((item) => withPlaces(item.object as NetworkPolicy, () => placesOf(item))),
    adminPolicies: objects.flatMap((item) =>
      isAdminPolicy(item.object) ? [withPlaces(item.object, () => placesOf(item))] : [],
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
