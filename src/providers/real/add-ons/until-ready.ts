import { setTimeout as pause } from "node:timers/promises";
import { LabError } from "../../../core/errors.ts";
import type { KubeObject } from "../../../kube/types.ts";
import type { AddOn } from "../../../plan/types.ts";
import type { AddOnContext } from "./types.ts";

/** Images are on the nodes by then: what is not ready after this will not be. */
export const READY_TIMEOUT_MS = 120_000;

/** Between two tries of what the API server cannot be watched for. */
const TRY_EVERY_MS = 500;

/** ADD_ON_NOT_READY with what was missing. */
export function notReady(addOn: AddOn, gap: string): LabError {
  return new LabError("ADD_ON_NOT_READY", `${addOn} was not ready after ${READY_TIMEOUT_MS / 1000} s: ${gap}`, {
    hint: "its pods' events say why: kubectl describe pods -A",
  });
}

/** Resolves once the Deployment or DaemonSet has all its pods ready, of its newest generation. */
export async function untilRolledOut(
  addOn: AddOn,
  ref: { kind: "Deployment" | "DaemonSet"; namespace: string; name: string },
  { api, signal }: AddOnContext,
): Promise<void> {
  await api.until([{ apiVersion: "apps/v1", ...ref }], ([workload]) => rolloutGap(workload, ref), {
    timeoutMs: READY_TIMEOUT_MS,
    signal,
    timeout: (gap) => notReady(addOn, gap),
  });
}

/** What is missing until a workload is rolled out, as `kubectl rollout status` has it. */
function rolloutGap(
  workload: KubeObject | undefined,
  { kind, name }: { kind: string; name: string },
): string | undefined {
  if (workload === undefined) return `${kind} ${name} is not there`;
  const status = (workload["status"] ?? {}) as Record<string, number | undefined>;
  const spec = workload["spec"] as { replicas?: number };
  if (status["observedGeneration"] !== workload.metadata.generation) return `${kind} ${name} is not yet observed`;
  const isDeployment = kind === "Deployment";
  const wanted = (isDeployment ? spec.replicas : status["desiredNumberScheduled"]) ?? 1;
  const ready = (isDeployment ? status["availableReplicas"] : status["numberAvailable"]) ?? 0;
  return wanted > 0 && ready >= wanted ? undefined : `${ready} of ${wanted} pods of ${kind} ${name} are available`;
}

/**
 * Tries until `gapOf` finds nothing missing: for conditions that are no object's status, so that there is nothing to
 * watch. Rejects with ADD_ON_NOT_READY, what `gapOf` throws, or the signal's reason.
 */
export async function untilNoGap(
  addOn: AddOn,
  { signal }: AddOnContext,
  gapOf: () => Promise<string | undefined>,
): Promise<void> {
  const endMs = performance.now() + READY_TIMEOUT_MS;
  for (;;) {
    signal.throwIfAborted();
    const gap = await gapOf();
    if (gap === undefined) return;
    if (performance.now() > endMs) throw notReady(addOn, gap);
    await pause(TRY_EVERY_MS, undefined, { signal });
  }
}
