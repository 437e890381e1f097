import { apiTime, systemClock } from "../../../../engine/clock.ts";
import type { ObjectStore } from "../../../../engine/store/store.ts";
import type { NodeObject } from "../../../../kube/types.ts";

/** What a node says of itself. */
export interface SaidReady {
  status: "True" | "False" | "Unknown";
  reason: string;
  message: string;
}

/** What it says when nothing is wrong. */
export const isReady: SaidReady = {
  status: "True",
  reason: "KubeletReady",
  message: "kubelet is posting ready status",
};

/** The taints that the node lifecycle controller gives for the condition: the scheduler passes such a node over. */
const TAINTS = { False: "node.kubernetes.io/not-ready", Unknown: "node.kubernetes.io/unreachable" } as const;

/** Writes the condition Ready of a node, with its taint. */
export function tellReady(store: ObjectStore, name: string, said: SaidReady): void {
  const node = store.list("Node").find(({ metadata }) => metadata.name === name);
  if (node === undefined) return;
  const { taints = [], ...spec } = node.spec;
  const others = taints.filter(({ key }) => key !== TAINTS.False && key !== TAINTS.Unknown);
  const wanted = said.status === "True" ? others : [...others, { key: TAINTS[said.status], effect: "NoSchedule" }];
  const conditions = (node.status?.conditions ?? []).filter(({ type }) => type !== "Ready");
  const lastTransitionTime = apiTime(systemClock.nowMs());
  store.updateWithStatus<NodeObject>({
    ...node,
    spec: { ...spec, ...(wanted.length > 0 ? { taints: wanted } : {}) },
    status: { ...node.status, conditions: [...conditions, { type: "Ready", ...said, lastTransitionTime }] },
  });
}
