import { isPodReady, isPodTerminal } from "../../kube/pods.ts";
import type { ControllerRevision, DaemonSet } from "../../kube/set-types.ts";
import type { NodeObject, Pod } from "../../kube/types.ts";
import type { ObjectStore } from "../store/store.ts";
import { keyOf, splitKey, type Controller, type ControllerContext } from "./controller.ts";
import { daemonPlacement, newDaemonPod, podNode } from "./daemon-pod.ts";
import { dueForReplacement } from "./daemon-update.ts";
import { availableInMs, claimPods, deletePod, isActive, ownersConcerned } from "./owned-pods.ts";
import { forgetRevisions, newestRevision, REVISION_LABEL } from "./revisions.ts";

/** A node with the set's pods there, the oldest first. */
interface NodePods {
  node: NodeObject;
  wanted: boolean;
  pods: Pod[];
}

/** Keeps one pod of a DaemonSet on every node that fits (pkg/controller/daemon/daemon_controller.go). */
export const daemonSetController: Controller = {
  name: "daemonset",
  kinds: ["DaemonSet", "Pod", "Node"],
  *keysOf(event, store) {
    if (event.key === "DaemonSet") yield keyOf(event.object);
    else if (event.key === "Node") for (const set of store.list("DaemonSet")) yield keyOf(set);
    else yield* ownersConcerned(event, store, "DaemonSet");
  },
  reconcile(key, context) {
    const { namespace, name } = splitKey(key);
    const { store } = context;
    const set = store.get("DaemonSet", name, namespace);
    if (set === undefined) return;
    const update = newestRevision(store, set);
    if (set.metadata.deletionTimestamp === undefined) {
      const nodes = nodePods(store, set);
      placePods(store, set, update, nodes);
      replaceOutdated(context, key, set, update);
      const live = nodes.flatMap(({ pods }) => pods).map((pod) => `${name}-${podHash(pod)}`);
      forgetRevisions(store, set, new Set([update.metadata.name, ...live]));
    }
    updateStatus(context, key, set, update);
  },
};

function podHash(pod: Pod): string {
  return pod.metadata.labels?.[REVISION_LABEL] ?? "";
}

function hashOf(revision: ControllerRevision): string {
  return revision.metadata.labels?.[REVISION_LABEL] ?? "";
}

function nodePods(store: ObjectStore, set: DaemonSet): NodePods[] {
  const byNode = new Map<string, Pod[]>();
  for (const pod of claimPods(store, set)) {
    const node = podNode(pod);
    if (node !== undefined) byNode.set(node, [...(byNode.get(node) ?? []), pod]);
  }
  return store.list("Node").map((node) => {
    const pods = byNode.get(node.metadata.name) ?? [];
    const { shouldRun, shouldStay } = daemonPlacement(set, node);
    return { node, wanted: shouldRun || (shouldStay && pods.length > 0), pods };
  });
}

/** A pod for each node that has none; pods that have ended, are too many, or may not stay where they are, go. */
function placePods(store: ObjectStore, set: DaemonSet, update: ControllerRevision, nodes: readonly NodePods[]): void {
  for (const { node, wanted, pods } of nodes) {
    const present = pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    const kept = wanted ? present.filter((pod) => !isPodTerminal(pod)) : [];
    for (const pod of present) if (!kept.includes(pod)) deletePod(store, pod);
    // One that is still going away holds the place, unless it has ended.
    const isFree = pods.every((pod) => !kept.includes(pod) && (present.includes(pod) || isPodTerminal(pod)));
    if (wanted && isFree) store.create(newDaemonPod(set, node.metadata.name, update));
    const surge = surplusOf(kept, hashOf(update));
    for (const pod of surge) deletePod(store, pod);
  }
}

/** Of several pods on a node one old and one new may stay, while the new one gets ready; of a kind, the oldest. */
function surplusOf(pods: readonly Pod[], hash: string): Pod[] {
  const updated = pods.filter((pod) => podHash(pod) === hash);
  const outdated = pods.filter((pod) => podHash(pod) !== hash);
  return [...updated.slice(1), ...outdated.slice(1)];
}

function replaceOutdated(context: ControllerContext, key: string, set: DaemonSet, update: ControllerRevision): void {
  const { store } = context;
  if (set.spec.updateStrategy?.type === "OnDelete") return;
  const nodes = nodePods(store, set).filter(({ wanted }) => wanted);
  const due = dueForReplacement(
    set,
    nodes.map(({ node, pods }) => ({ node: node.metadata.name, pods: pods.filter(isActive) })),
    { isOutdated: (pod) => podHash(pod) !== hashOf(update), isAvailable: (pod) => isAvailable(context, key, set, pod) },
  );
  for (const pod of due.toDelete) deletePod(store, pod);
  for (const node of due.toSurge) store.create(newDaemonPod(set, node, update));
}

function isAvailable(context: ControllerContext, key: string, set: DaemonSet, pod: Pod): boolean {
  const waitMs = availableInMs(pod, set.spec.minReadySeconds, context.clock.nowMs());
  if (waitMs !== undefined && waitMs > 0) context.requeueAfter(key, waitMs);
  return waitMs === 0;
}

function updateStatus(context: ControllerContext, key: string, set: DaemonSet, update: ControllerRevision): void {
  const { store } = context;
  const stored = store.get("DaemonSet", set.metadata.name, set.metadata.namespace);
  if (stored === undefined || stored.metadata.uid !== set.metadata.uid) return;
  const nodes = nodePods(store, set).map(({ pods, ...rest }) => ({ ...rest, pods: pods.filter(isActive) }));
  const desired = nodes.filter(({ wanted }) => wanted);
  const running = desired.filter(({ pods }) => pods.length > 0);
  const count = (is: (pod: Pod) => boolean): number => running.filter(({ pods }) => pods.some(is)).length;
  const available = count((pod) => isAvailable(context, key, set, pod));
  store.updateStatus({
    ...stored,
    status: {
      observedGeneration: set.metadata.generation ?? 1,
      desiredNumberScheduled: desired.length,
      currentNumberScheduled: running.length,
      numberMisscheduled: nodes.filter(({ wanted, pods }) => !wanted && pods.length > 0).length,
      numberReady: count(isPodReady),
      updatedNumberScheduled: count((pod) => podHash(pod) === hashOf(update)),
      numberAvailable: available,
      numberUnavailable: desired.length - available,
    },
  });
}
