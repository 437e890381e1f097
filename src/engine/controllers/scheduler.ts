import { clash, hostPorts } from "../../kube/host-ports.ts";
import { isPodTerminal } from "../../kube/pods.ts";
import type { NodeObject, Pod } from "../../kube/types.ts";
import { apiTime } from "../clock.ts";
import type { ObjectStore } from "../store/store.ts";
import { withCondition } from "./conditions.ts";
import { keyOf, splitKey, type Controller } from "./controller.ts";
import { refusalOf } from "./node-fit.ts";

interface Load {
  pods: number;
  /** Pods a controlling owner has there. */
  byOwner: Map<string, number>;
}

/**
 * Binds each pod to a node it fits: the one with fewest pods of the same owner, then with fewest pods, then the first.
 * A pod that fits nowhere stays Pending, its PodScheduled condition saying why; a change of the nodes tries it again.
 */
export function createScheduler(): Controller {
  const loads = new Map<string, Load>();
  const counted = new Map<string, { node: string; owner: string }>();

  const count = (pod: Pod, node: string | undefined): void => {
    const key = keyOf(pod);
    const before = counted.get(key);
    if (before?.node === node) return;
    if (before !== undefined) add(loads, before.node, before.owner, -1);
    counted.delete(key);
    if (node === undefined) return;
    const owner = ownerOf(pod);
    counted.set(key, { node, owner });
    add(loads, node, owner, 1);
  };

  return {
    name: "scheduler",
    kinds: ["Pod", "Node"],
    *keysOf(event, store) {
      if (event.key === "Node") {
        for (const pod of store.list("Pod")) if (isWaiting(pod)) yield keyOf(pod);
        return;
      }
      const pod = event.object as Pod;
      count(pod, event.type === "DELETED" || isPodTerminal(pod) ? undefined : pod.spec.nodeName);
      if (event.type !== "DELETED" && isWaiting(pod)) yield keyOf(pod);
      // Ports of a node that are free again may be what others wait for.
      const isFreeing = event.type === "DELETED" || isPodTerminal(pod);
      if (isFreeing && hostPorts(pod.spec).length > 0)
        for (const other of store.list("Pod"))
          if (isWaiting(other) && hostPorts(other.spec).length > 0) yield keyOf(other);
    },
    reconcile(key, { store, clock }) {
      const { namespace, name } = splitKey(key);
      const pod = store.get("Pod", name, namespace);
      if (pod === undefined || !isWaiting(pod)) return;
      const now = apiTime(clock.nowMs());
      const nodes = store.list("Node");
      const refusals = new Map<string, string>();
      for (const node of nodes) {
        const refusal = refusalOf(pod, node) ?? portRefusal(store, pod, node.metadata.name);
        if (refusal !== undefined) refusals.set(node.metadata.name, refusal);
      }
      const node = best(nodes, refusals, loads, ownerOf(pod));
      if (node === undefined) {
        reportUnschedulable(store, pod, unschedulable(nodes.length, [...refusals.values()]), now);
        return;
      }
      const conditions = withCondition(pod.status?.conditions, { type: "PodScheduled", status: "True" }, now);
      const nodeName = node.metadata.name;
      count(
        store.updateWithStatus({
          ...pod,
          spec: { ...pod.spec, nodeName },
          status: { ...pod.status, phase: "Pending", conditions },
        }),
        nodeName,
      );
    },
  };
}

/** Why the pod's host ports keep it from a node, in kube-scheduler's words. */
function portRefusal(store: ObjectStore, pod: Pod, node: string): string | undefined {
  const wanted = hostPorts(pod.spec);
  if (wanted.length === 0) return undefined;
  const isTaken = store
    .list("Pod")
    .some((other) => other.spec.nodeName === node && !isPodTerminal(other) && clash(wanted, hostPorts(other.spec)));
  return isTaken ? "node(s) didn't have free ports for the requested pod ports" : undefined;
}

function add(loads: Map<string, Load>, node: string, owner: string, change: number): void {
  const load = loads.get(node) ?? { pods: 0, byOwner: new Map<string, number>() };
  load.pods += change;
  load.byOwner.set(owner, (load.byOwner.get(owner) ?? 0) + change);
  loads.set(node, load);
}

/** The uid of the pod's controller, or the pod's own name: two bare pods have nothing to do with each other. */
function ownerOf(pod: Pod): string {
  return pod.metadata.ownerReferences?.find(({ controller }) => controller === true)?.uid ?? keyOf(pod);
}

function isWaiting(pod: Pod): boolean {
  const isOurs = (pod.spec["schedulerName"] ?? "default-scheduler") === "default-scheduler";
  return (
    isOurs && pod.spec.nodeName === undefined && pod.metadata.deletionTimestamp === undefined && !isPodTerminal(pod)
  );
}

function best(
  nodes: readonly NodeObject[],
  refusals: ReadonlyMap<string, string>,
  loads: ReadonlyMap<string, Load>,
  owner: string,
): NodeObject | undefined {
  let chosen: NodeObject | undefined;
  let lowest = [Infinity, Infinity] as const;
  for (const node of nodes) {
    if (refusals.has(node.metadata.name)) continue;
    const load = loads.get(node.metadata.name);
    const cost = [load?.byOwner.get(owner) ?? 0, load?.pods ?? 0] as const;
    if (cost[0] < lowest[0] || (cost[0] === lowest[0] && cost[1] < lowest[1])) [chosen, lowest] = [node, cost];
  }
  return chosen;
}

/** As kube-scheduler's FitError words it: each reason with the number of nodes it holds for. */
function unschedulable(nodes: number, reasons: readonly string[]): string {
  if (nodes === 0) return "no nodes available to schedule pods";
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const parts = [...counts].map(([reason, times]) => `${times} ${reason}`).toSorted();
  return `0/${nodes} nodes are available: ${parts.join(", ")}.`;
}

function reportUnschedulable(store: ObjectStore, pod: Pod, message: string, now: string): void {
  const condition = { type: "PodScheduled", status: "False", reason: "Unschedulable", message } as const;
  store.updateStatus({
    ...pod,
    status: { ...pod.status, phase: "Pending", conditions: withCondition(pod.status?.conditions, condition, now) },
  });
}
