import type { NodeObject } from "../../kube/types.ts";
import { apiTime } from "../clock.ts";
import { conditionOf } from "./conditions.ts";
import type { Controller } from "./controller.ts";

/** The taint of each status of the condition Ready but True. */
const TAINTS: Readonly<Record<string, string>> = {
  False: "node.kubernetes.io/not-ready",
  Unknown: "node.kubernetes.io/unreachable",
};

type Taint = NonNullable<NodeObject["spec"]["taints"]>[number];

/**
 * Gives a node that is not ready, or that nobody hears from, its taints and takes them away when it is ready again
 * (kubernetes.io/docs/concepts/architecture/nodes, node_lifecycle_controller.go): NoSchedule keeps new pods away, NoExecute
 * evicts those that are there, each when its tolerations say so.
 */
export const nodeLifecycle: Controller = {
  name: "node-lifecycle",
  kinds: ["Node"],
  keysOf: ({ type, object }) => (type === "DELETED" ? [] : [object.metadata.name]),
  reconcile(name, { store, clock }) {
    const node = store.get("Node", name);
    if (node === undefined) return;
    const key = TAINTS[conditionOf(node.status?.conditions, "Ready")?.status ?? "True"];
    const { taints = [], ...spec } = node.spec;
    const ours = new Set(Object.values(TAINTS));
    const kept = taints.filter((taint) => !ours.has(taint.key) || taint.key === key);
    const has = (effect: string): boolean => kept.some((taint) => taint.key === key && taint.effect === effect);
    const added = key === undefined ? [] : taintsOf(key, apiTime(clock.nowMs())).filter(({ effect }) => !has(effect));
    if (kept.length === taints.length && added.length === 0) return;
    const wanted = [...kept, ...added];
    store.update<NodeObject>({ ...node, spec: { ...spec, ...(wanted.length > 0 ? { taints: wanted } : {}) } });
  },
};

function taintsOf(key: string, timeAdded: string): Taint[] {
  return [
    { key, effect: "NoSchedule" },
    { key, effect: "NoExecute", timeAdded },
  ];
}
