import type { Pod } from "../kube/types.ts";
import type { RunningPod } from "./running-pod.ts";

/** What a kubelet knows of a pod of its node. */
export interface PodState {
  pod: Pod;
  phase: "starting" | "running" | "stopping";
  /** Deleted while it was being started. */
  isDoomed: boolean;
  attempts: number;
  cancelRetry?: () => void;
  /** Once it was started. */
  running?: RunningPod;
  /** What it has to end, seconds, once it was deleted. */
  graceSeconds?: number;
  /** Its containers have ended, or end now. */
  hasEnded?: true;
}

/** What tells the pod from others that had or will have its name. */
export function uidOf(pod: Pod): string {
  return pod.metadata.uid ?? "";
}
