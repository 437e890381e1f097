import { LabError } from "../../core/errors.ts";
import type { NodeObject } from "../../kube/types.ts";
import type { PlannedNode } from "../../plan/types.ts";
import { isNodeReady } from "../../kube/nodes.ts";

/** A node of the cluster that stands for one of the lab's. */
export interface StandIn {
  /** In the lab. */
  planned: PlannedNode;
  /** In the cluster. */
  name: string;
  labels: Record<string, string>;
  /** InternalIPs. */
  addresses: string[];
  podCidrs: string[];
}

/** The lab's nodes by their names; a control plane that the cluster does not show has no entry. */
export type StandIns = ReadonlyMap<string, StandIn>;

const CONTROL_PLANE = "node-role.kubernetes.io/control-plane";

/**
 * Lets nodes of a cluster stand for a lab's: for those that take any pod, nodes that are Ready and schedulable, in the order of
 * their names; for tainted control planes, the cluster's own, where it shows any. Throws EXISTING_TOO_FEW_NODES.
 */
export function standInsFor(planned: readonly PlannedNode[], nodes: readonly NodeObject[]): StandIns {
  const sorted = nodes.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  const open = sorted.filter((node) => whyNot(node) === undefined);
  const closed = sorted.filter(
    (node) => isNodeReady(node) && !open.includes(node) && node.metadata.labels?.[CONTROL_PLANE] !== undefined,
  );
  const wanted = planned.filter((node) => !isTainted(node.taints));
  if (open.length < wanted.length) {
    const others = sorted.flatMap((node) => {
      const reason = whyNot(node);
      return reason === undefined ? [] : [`${node.metadata.name} ${reason}`];
    });
    throw new LabError(
      "EXISTING_TOO_FEW_NODES",
      `the lab needs ${wanted.length} nodes that take pods, and the cluster has ${open.length}`,
      { hint: others.length === 0 ? undefined : `not counted: ${others.join(", ")}` },
    );
  }
  const pairs = planned.flatMap((node): [string, StandIn][] => {
    const real = isTainted(node.taints) ? closed.shift() : open.shift();
    return real === undefined ? [] : [[node.name, standIn(node, real)]];
  });
  return new Map(pairs);
}

function standIn(planned: PlannedNode, { metadata, spec, status }: NodeObject): StandIn {
  const addresses = (status?.addresses ?? []).filter(({ type }) => type === "InternalIP").map(({ address }) => address);
  const podCidrs = (spec as { podCIDRs?: string[] }).podCIDRs ?? [];
  return { planned, name: metadata.name, labels: metadata.labels ?? {}, addresses, podCidrs };
}

/** Why a node does not take any pod. */
function whyNot(node: NodeObject): string | undefined {
  const { taints = [], unschedulable } = node.spec as {
    taints?: { key: string; effect: string }[];
    unschedulable?: boolean;
  };
  if (!isNodeReady(node)) return "is not Ready";
  if (unschedulable === true) return "is cordoned";
  const taint = taints.find(({ effect }) => effect !== "PreferNoSchedule");
  return taint === undefined ? undefined : `has the taint ${taint.key}:${taint.effect}`;
}

function isTainted(taints: readonly { effect: string }[]): boolean {
  return taints.some(({ effect }) => effect !== "PreferNoSchedule");
}
