import { isRecord } from "../../core/is-record.ts";
import type { ControllerRevision, DaemonSet } from "../../kube/set-types.ts";
import type { NodeObject, Pod, PodSpec } from "../../kube/types.ts";
import { matchesNode, untolerated } from "./node-fit.ts";
import { ownerReference } from "./owned-pods.ts";
import { REVISION_LABEL, templateOf } from "./revisions.ts";

/**
 * What every daemon pod tolerates (daemon_controller.go, AddOrUpdateDaemonPodTolerations): it belongs to its node, in what
 * state that may be.
 */
function withTolerations(spec: PodSpec): PodSpec {
  const exists = (name: string, effect: string): Record<string, string> => ({
    key: `node.kubernetes.io/${name}`,
    operator: "Exists",
    effect,
  });
  const own = [
    exists("not-ready", "NoExecute"),
    exists("unreachable", "NoExecute"),
    ...["disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"].map((name) => exists(name, "NoSchedule")),
    ...(spec.hostNetwork === true ? [exists("network-unavailable", "NoSchedule")] : []),
  ];
  return { ...spec, tolerations: [...(spec.tolerations ?? []), ...own] };
}

/** Whether a node should have the set's pod, and whether one that is there may stay (nodeShouldRunDaemonPod). */
export function daemonPlacement(set: DaemonSet, node: NodeObject): { shouldRun: boolean; shouldStay: boolean } {
  const spec = withTolerations(set.spec.template.spec);
  if (!matchesNode(spec, node)) return { shouldRun: false, shouldStay: false };
  return {
    shouldRun: untolerated(spec, node, ["NoSchedule", "NoExecute"]) === undefined,
    shouldStay: untolerated(spec, node, ["NoExecute"]) === undefined,
  };
}

/** A pod of the revision that the scheduler can bind to this node alone. */
export function newDaemonPod(set: DaemonSet, node: string, revision: ControllerRevision): Pod {
  const { metadata, spec } = templateOf(revision);
  const named = {
    ...metadata,
    generateName: `${set.metadata.name}-`,
    namespace: set.metadata.namespace ?? "default",
    labels: { ...metadata?.labels, [REVISION_LABEL]: revision.metadata.labels?.[REVISION_LABEL] ?? "" },
    ownerReferences: [ownerReference(set)],
  } as unknown as Pod["metadata"];
  return { apiVersion: "v1", kind: "Pod", metadata: named, spec: withTolerations(bound(spec, node)) };
}

/** The required node affinity, which chose the nodes, becomes the one node's name. */
function bound(spec: PodSpec, node: string): PodSpec {
  const affinity = isRecord(spec["affinity"]) ? spec["affinity"] : {};
  const nodeAffinity = isRecord(affinity["nodeAffinity"]) ? affinity["nodeAffinity"] : {};
  const matchFields = [{ key: "metadata.name", operator: "In", values: [node] }];
  const required = { nodeSelectorTerms: [{ matchFields }] };
  return {
    ...spec,
    affinity: {
      ...affinity,
      nodeAffinity: { ...nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: required },
    },
  };
}

/** The node that a daemon pod is on or for. */
export function podNode({ spec }: Pod): string | undefined {
  if (spec.nodeName !== undefined) return spec.nodeName;
  const required = walk(spec["affinity"], "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution");
  const terms = walk(required, "nodeSelectorTerms");
  const fields = walk(Array.isArray(terms) ? terms[0] : undefined, "matchFields");
  const values = walk(Array.isArray(fields) ? fields[0] : undefined, "values");
  return Array.isArray(values) ? String(values[0]) : undefined;
}

function walk(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((at, name) => (isRecord(at) ? at[name] : undefined), value);
}
