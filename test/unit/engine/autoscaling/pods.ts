import type { PodFigure } from "../../../../src/engine/autoscaling/replica-count.ts";
import type { Pod } from "../../../../src/kube/types.ts";

/** When the pods of {@link pod} were looked at: long after their start. */
export const NOW_MS = 3_600_000;

export interface PodFacts {
  phase?: "Running" | "Pending" | "Failed" | "Succeeded";
  isReady?: boolean;
  /** Before {@link NOW_MS}. */
  startedAgoMs?: number;
  /** When it became ready, or unready, before {@link NOW_MS}. */
  changedAgoMs?: number;
  isGoing?: boolean;
  cpu?: string | undefined;
}

const at = (agoMs: number): string => new Date(NOW_MS - agoMs).toISOString();

/** A pod of one container that requests 100m, ready for almost an hour unless said otherwise. */
export function pod(name: string, facts: PodFacts = {}): Pod {
  const { phase = "Running", isReady = true, startedAgoMs = 3_500_000, changedAgoMs = startedAgoMs, isGoing } = facts;
  const cpu = "cpu" in facts ? facts.cpu : "100m";
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, ...(isGoing === true && { deletionTimestamp: at(0) }) },
    spec: {
      containers: [{ name: "web", image: "nginx", resources: cpu === undefined ? {} : { requests: { cpu } } }],
    },
    status: {
      phase,
      startTime: at(startedAgoMs),
      conditions: [{ type: "Ready", status: isReady ? "True" : "False", lastTransitionTime: at(changedAgoMs) }],
    },
  };
}

/** Figures of the last ten seconds, in thousandths. */
export function figures(values: Readonly<Record<string, number>>): Map<string, PodFigure> {
  return new Map(
    Object.entries(values).map(([name, value]) => [name, { value, atMs: NOW_MS - 1000, windowMs: 10_000 }]),
  );
}
