import { isRecord } from "../../core/is-record.ts";
import type { PodDisruptionBudget } from "../../kube/disruption.ts";
import { isPodReady } from "../../kube/pods.ts";
import type { Pod } from "../../kube/types.ts";
import { budgetsOf, currentDisruptions } from "../disruption-budgets.ts";
import type { ObjectStore } from "../store/store.ts";
import { ApiError, badRequest, type Status } from "./api-error.ts";
import type { RequestTarget } from "./status-of-error.ts";
import { deletionOf, type ObjectWrites } from "./write-objects.ts";

const SUCCESS: Status = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 };

/**
 * Evicts a pod (policy/v1 Eviction), as `kubectl drain` does: deletes it, unless it would leave fewer pods than its budget wants.
 * Throws ApiError: 429 for a budget that does not allow it, 500 for a pod of several.
 */
export function evictPod(
  store: ObjectStore,
  writes: ObjectWrites,
  target: RequestTarget,
  body: unknown,
  query: URLSearchParams,
): Status {
  if (!isRecord(body) || body["kind"] !== "Eviction" || body["apiVersion"] !== "policy/v1")
    throw badRequest("the object provided is no Eviction of policy/v1");
  const { metadata } = body;
  const name = isRecord(metadata) ? metadata["name"] : undefined;
  if (name !== undefined && name !== target.name)
    throw badRequest("name in URL does not match name in Eviction object");
  const pod = writes.get(target) as Pod;
  if (!isFree(pod)) checkBudget(store, pod);
  writes.delete(target, deletionOf(query, body["deleteOptions"], target.resource));
  return SUCCESS;
}

/** Whether nobody counts on the pod: it does not run, or is on its way out. */
function isFree({ status, metadata }: Pod): boolean {
  return (
    ["Succeeded", "Failed", "Pending"].includes(status?.phase ?? "Pending") || metadata.deletionTimestamp !== undefined
  );
}

function checkBudget(store: ObjectStore, pod: Pod): void {
  const [budget, ...others] = budgetsOf(store, pod);
  if (budget === undefined) return;
  if (others.length > 0) {
    throw new ApiError(
      "InternalError",
      "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
    );
  }
  const { disruptionsAllowed, currentHealthy, desiredHealthy } = currentDisruptions(store, budget);
  if (!isPodReady(pod) && isUnhealthyFree(budget, currentHealthy, desiredHealthy)) return;
  if (disruptionsAllowed > 0) return;
  const message = `The disruption budget ${budget.metadata.name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`;
  throw new ApiError("TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.", {
    causes: [{ reason: "DisruptionBudget", message }],
  });
}

/** A pod that is not ready takes nothing from a budget that is kept without it (KEP-3017). */
function isUnhealthyFree({ spec }: PodDisruptionBudget, healthy: number, desired: number): boolean {
  return spec?.unhealthyPodEvictionPolicy === "AlwaysAllow" || (healthy >= desired && desired > 0);
}
