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

/** Writes the condition Ready of a node; its taints are the node lifecycle controller's. */
export function tellReady(store: ObjectStore, name: string, said: SaidReady): void {
  const node = store.list("Node").find(({ metadata }) => metadata.name === name);
  if (node === undefined) return;
  const conditions = (node.status?.conditions ?? []).filter(({ type }) => type !== "Ready");
  const lastTransitionTime = apiTime(systemClock.nowMs());
  store.updateStatus<NodeObject>({
    ...node,
    status: { ...node.status, conditions: [...conditions, { type: "Ready", ...said, lastTransitionTime }] },
  });
}
