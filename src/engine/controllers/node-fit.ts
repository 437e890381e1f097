import { matchesLabels } from "../../kube/selectors.ts";
import type { NodeObject, Pod } from "../../kube/types.ts";
import { isRecord } from "../store/json.ts";

/**
 * Why a pod cannot go on a node, in kube-scheduler's words, or undefined when it can: cordoned, nodeSelector,
 * required node affinity, taints (NoSchedule and NoExecute). Resources, inter-pod affinity and spreading constraints
 * are not looked at.
 */
export function refusalOf(pod: Pod, node: NodeObject): string | undefined {
  if ((node.spec as Record<string, unknown>)["unschedulable"] === true) return "node(s) were unschedulable";
  const taint = (node.spec.taints ?? []).find(
    ({ effect, ...rest }) =>
      effect !== "PreferNoSchedule" && !isTolerated({ effect, ...rest }, pod.spec.tolerations ?? []),
  );
  if (taint !== undefined) return `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ""}}`;
  if (!matchesLabels(pod.spec.nodeSelector, node.metadata.labels) || !matchesAffinity(pod, node)) {
    return "node(s) didn't match Pod's node affinity/selector";
  }
  return undefined;
}

/** kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration: an absent key or effect matches all. */
function isTolerated(taint: { key: string; value?: string; effect: string }, tolerations: readonly unknown[]): boolean {
  return tolerations.some((toleration) => {
    if (!isRecord(toleration)) return false;
    const { key, operator = "Equal", value, effect } = toleration;
    if (effect !== undefined && effect !== "" && effect !== taint.effect) return false;
    if (key === undefined || key === "") return operator === "Exists";
    return key === taint.key && (operator === "Exists" || (value ?? "") === (taint.value ?? ""));
  });
}

function matchesAffinity(pod: Pod, node: NodeObject): boolean {
  const affinity = field(field(pod.spec["affinity"], "nodeAffinity"), "requiredDuringSchedulingIgnoredDuringExecution");
  if (affinity === undefined) return true;
  const terms = field(affinity, "nodeSelectorTerms");
  return Array.isArray(terms) && terms.some((term) => matchesTerm(term, node));
}

function matchesTerm(term: unknown, node: NodeObject): boolean {
  const expressions = list(field(term, "matchExpressions"));
  const fields = list(field(term, "matchFields"));
  if (expressions.length + fields.length === 0) return false;
  return (
    expressions.every((requirement) =>
      matchesRequirement(requirement, node.metadata.labels?.[String(field(requirement, "key"))]),
    ) &&
    fields.every(
      (requirement) =>
        field(requirement, "key") === "metadata.name" && matchesRequirement(requirement, node.metadata.name),
    )
  );
}

function matchesRequirement(requirement: unknown, value: string | undefined): boolean {
  const values = list(field(requirement, "values")).map(String);
  switch (field(requirement, "operator")) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "Gt":
      return value !== undefined && Number(value) > Number(values[0]);
    case "Lt":
      return value !== undefined && Number(value) < Number(values[0]);
    default:
      return false;
  }
}

function field(value: unknown, name: string): unknown {
  return isRecord(value) ? value[name] : undefined;
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
