import type { DaemonSet } from "../../kube/set-types.ts";
import type { IntOrString, Pod } from "../../kube/types.ts";

/** The active pods of a node that should have one. */
export interface DaemonNode {
  node: string;
  pods: readonly Pod[];
}

/** What a rolling update does next. */
export interface DaemonReplacement {
  toDelete: Pod[];
  /** Nodes that get a new pod beside the old one. */
  toSurge: string[];
}

/**
 * Old pods that may go now: all that are not available, then as many as keep no more than maxUnavailable nodes without an
 * available pod. With maxSurge new pods come first, and an old one goes when its successor is available
 * (pkg/controller/daemon/update.go, rollingUpdate).
 */
export function dueForReplacement(
  set: DaemonSet,
  nodes: readonly DaemonNode[],
  { isOutdated, isAvailable }: { isOutdated(pod: Pod): boolean; isAvailable(pod: Pod): boolean },
): DaemonReplacement {
  const { maxSurge = 0, maxUnavailable = 1 } = set.spec.updateStrategy?.rollingUpdate ?? {};
  const states = nodes.map(({ node, pods }) => ({
    node,
    old: pods.find(isOutdated),
    next: pods.find((pod) => !isOutdated(pod)),
  }));
  const outdated = states.flatMap(({ node, old, next }) => (old === undefined ? [] : [{ node, old, next }]));
  const surge = share(maxSurge, nodes.length);
  if (surge === 0) {
    const missing = states.filter(
      ({ old, next }) => ![old, next].some((pod) => pod !== undefined && isAvailable(pod)),
    ).length;
    const broken = outdated.filter(({ old }) => !isAvailable(old)).map(({ old }) => old);
    const room = Math.max(0, share(maxUnavailable, nodes.length) - missing);
    const sound = outdated.filter(({ old }) => isAvailable(old)).map(({ old }) => old);
    return { toDelete: [...broken, ...sound.slice(0, room)], toSurge: [] };
  }
  const replaced = outdated.filter(
    ({ old, next }) => (next !== undefined && isAvailable(next)) || (next === undefined && !isAvailable(old)),
  );
  const waiting = outdated.filter(({ next }) => next !== undefined && !isAvailable(next)).length;
  const fresh = outdated.filter(({ old, next }) => next === undefined && isAvailable(old));
  return {
    toDelete: replaced.map(({ old }) => old),
    toSurge: fresh.slice(0, Math.max(0, surge - waiting)).map(({ node }) => node),
  };
}

/** A count, or a percentage of the nodes, rounded up. */
function share(value: IntOrString, nodes: number): number {
  if (typeof value === "number") return value;
  return Math.ceil((Number.parseFloat(value) * nodes) / 100);
}
