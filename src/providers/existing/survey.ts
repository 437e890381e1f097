import { LabError, type LabWarning } from "../../core/errors.ts";
import { usesPolicy } from "../../lab/policy-use.ts";
import type { NodeObject } from "../../kube/types.ts";
import type { Plan } from "../../plan/types.ts";
import type { KubernetesApi } from "../real/api/kubernetes-api.ts";
import { detectCni, type DetectedCni } from "./detect-cni.ts";
import { agentsNamespace, LABELS, systemNamespace, type Owner } from "./names.ts";
import { taken } from "./namespaces.ts";
import { standInsFor, type StandIns } from "./nodes.ts";
import { placed } from "./placement.ts";
import { namespacesOf, objectsOf, spanOf } from "./refusals.ts";

/** What a plan finds in a cluster. */
export interface Survey {
  nodes: StandIns;
  /** Undefined for one that is not known. */
  cni: DetectedCni | undefined;
  warnings: LabWarning[];
  /** Everything that keeps the lab from this cluster. */
  problems: LabError[];
}

/** Looks at a cluster, and changes nothing. `owner` is whose namespaces may be there already. */
export async function survey(api: KubernetesApi, plan: Plan, owner?: Owner): Promise<Survey> {
  const problems: LabError[] = [];
  const [nodeObjects, namespaces, cni] = await Promise.all([
    api.list({ kind: "Node" }) as Promise<NodeObject[]>,
    api.list({ kind: "Namespace" }),
    detectCni(api),
  ]);
  let nodes: StandIns = new Map();
  try {
    nodes = standInsFor(plan.topology.nodes, nodeObjects);
    problems.push(...unplaceable(plan, nodes));
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    problems.push(error);
  }
  const { name } = plan.lab;
  const wanted = new Set([...namespacesOf(plan), systemNamespace(name), agentsNamespace(name)]);
  const foreign = namespaces.filter(
    ({ metadata }) =>
      wanted.has(metadata.name) &&
      (owner === undefined || metadata.labels?.[LABELS.owner] !== owner.owner || metadata.labels[LABELS.lab] !== name),
  );
  if (foreign.length > 0) problems.push(taken(foreign.map(({ metadata }) => metadata.name)));
  if (cni !== undefined && cni.cni.name !== plan.cni.name) problems.push(differs(plan, cni));
  return { nodes, cni, warnings: cni === undefined ? [unknownCni(plan)] : [], problems };
}

/** Objects for nodes that nothing stands for, each with its place. */
function unplaceable(plan: Plan, nodes: StandIns): LabError[] {
  return objectsOf(plan).flatMap((planned) => {
    try {
      placed(planned.object, nodes);
      return [];
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      return [new LabError(error.code, error.message, { hint: error.hint, span: spanOf(planned) })];
    }
  });
}

function differs(plan: Plan, { cni, agent }: DetectedCni): LabError {
  return new LabError(
    "EXISTING_CNI_DIFFERS",
    `the cluster runs ${cni.name} (DaemonSet ${agent.namespace}/${agent.daemonSet}), the plan says ${plan.cni.name}`,
    { hint: `--cni ${cni.name}, where the lab claims it` },
  );
}

function unknownCni(plan: Plan): LabWarning {
  const measured = usesPolicy(plan) ? "; whether it enforces NetworkPolicy is tried" : "";
  return {
    code: "EXISTING_CNI_UNKNOWN",
    message: `the cluster's CNI is not one that cnilab knows, so that nothing is said of ${plan.cni.name}${measured}`,
  };
}
