import { isRecord } from "../../core/is-record.ts";
import { labelOf, matchesLabels } from "../../kube/selectors.ts";
import type { NodeObject, Pod, PodSpec } from "../../kube/types.ts";

/**
 * Why a pod cannot go on a node, in kube-scheduler's words, or undefined when it can: cordoned, nodeSelector,
 * required node affinity, taints (NoSchedule and NoExecute). Resources, inter-pod affinity and spreading constraints
 * are not looked at.
 */
export function refusalOf(pod: Pod, node: NodeObject): string | undefined {
  const cordon = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };
  const isCordoned = (node.spec as Record<string, unknown>)["unschedulable"] === true;
  if (isCordoned && !isTolerated(cordon, pod.spec.tolerations ?? [])) return "node(s) were unschedulable";
  const taint = untolerated(pod.spec, node, ["NoSchedule", "NoExecute"]);
  if (taint !== undefined) return `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ""}}`;
  return matchesNode(pod.spec, node) ? undefined : "node(s) didn't match Pod's node affinity/selector";
}

/** The first of a node's taints with one of these effects that the pod does not tolerate. */
export function untolerated(
  { tolerations = [] }: PodSpec,
  node: NodeObject,
  effects: readonly string[],
): NonNullable<NodeObject["spec"]["taints"]>[number] | undefined {
  return (node.spec.taints ?? []).find((taint) => effects.includes(taint.effect) && !isTolerated(taint, tolerations));
}

/** Whether the node is one that the pod's nodeSelector and required node affinity ask for, or its nodeName. */
export function matchesNode(spec: PodSpec, node: NodeObject): boolean {
  const isNamed = spec.nodeName === undefined || spec.nodeName === node.metadata.name;
  return isNamed && matchesLabels(spec.nodeSelector, node.metadata.labels) && matchesAffinity(spec, node);
}

/** kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration: an absent key or effect matches all. */
export function isTolerated(
  taint: { key: string; value?: string; effect: string },
  tolerations: readonly unknown[],
): boolean {
  return tolerations.some((toleration) => {
    if (!isRecord(toleration)) return false;
    const { key, operator = "Equal", value, effect } = toleration;
    if (effect !== undefined && effect !== "" && effect !== taint.effect) return false;
    if (key === undefined || key === "") return operator === "Exists";
    return key === taint.key && (operator === "Exists" || (value ?? "") === (taint.value ?? ""));
  });
}

function matchesAffinity(spec: PodSpec, node: NodeObject): boolean {
  const affinity = field(field(spec["affinity"], "nodeAffinity"), "requiredDuringSchedulingIgnoredDuringExecution");
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
      matchesRequirement(requirement, labelOf(node.metadata.labels, String(field(requirement, "key")))),
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
