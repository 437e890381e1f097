import { LabError } from "../core/errors.ts";
import { isRecord } from "../core/is-record.ts";
import { isSetOfPods } from "../kube/rollout.ts";
import type { KubeObject, Pod, PodCondition } from "../kube/types.ts";
import { conditionOf } from "./controllers/conditions.ts";
import type { StoreRef } from "./store/object-parts.ts";
import type { ObjectStore } from "./store/store.ts";
import { deploymentGap, podGap, rolledOutGap } from "./wait-reasons.ts";

/** What to wait for; the providers' WaitFor is one. */
export type WaitCondition =
  | { kind: "condition"; ref: StoreRef; condition: string }
  | { kind: "deleted"; ref: StoreRef }
  | { kind: "endpoints"; ref: StoreRef; count: number }
  | { kind: "rollout"; ref: StoreRef };

export interface WaitOptions {
  timeoutMs: number;
  signal?: AbortSignal;
}

/**
 * Resolves once the condition holds, looking again at each change of the store. Rejects with WAIT_TIMEOUT, which says
 * what is still missing, or with the signal's reason.
 */
export function waitFor(store: ObjectStore, condition: WaitCondition, options: WaitOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const deletedUid = condition.kind === "deleted" ? store.find(condition.ref)?.metadata.uid : undefined;
    const look = (): string | undefined => missing(store, condition, deletedUid);
    const watch = store.watch({}, () => {
      if (look() === undefined) end(resolve);
    });
    const timer = setTimeout(
      () => end(() => reject(timeout(condition, options.timeoutMs, look() ?? "it came true at the last moment"))),
      options.timeoutMs,
    );
    const onAbort = (): void => end(() => reject(abortReason(options.signal?.reason)));
    const end = (settle: () => void): void => {
      watch.close();
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
      settle();
    };
    options.signal?.addEventListener("abort", onAbort);
    if (options.signal?.aborted === true) onAbort();
    else if (look() === undefined) end(resolve);
  });
}

/** What the condition still lacks, in a sentence, or undefined when it holds. */
export function missing(store: ObjectStore, condition: WaitCondition, deletedUid?: string): string | undefined {
  const { ref } = condition;
  const object = store.find(ref);
  if (condition.kind === "deleted") {
    // Something new of the same name does not mean that the old one is still there.
    if (object === undefined || (deletedUid !== undefined && object.metadata.uid !== deletedUid)) return undefined;
    return object.metadata.deletionTimestamp === undefined
      ? `${nameOf(ref)} has not been deleted`
      : `${nameOf(ref)} is still being deleted`;
  }
  if (object === undefined) return `${nameOf(ref)} does not exist`;
  if (condition.kind === "endpoints") return endpointGap(store, object, condition.count);
  if (condition.kind === "rollout") return rolledOutGap(store, object);
  return conditionGap(store, object, condition.condition);
}

/** `Available`, `condition=Ready` and `Ready=False` as `kubectl wait --for` takes them; the case of letters does not count. */
function conditionGap(store: ObjectStore, object: KubeObject, wanted: string): string | undefined {
  if (isSetOfPods(object) && wanted.toLowerCase() === "ready") return rolledOutGap(store, object);
  const [type = "", status = "true"] = wanted.replace(/^condition=/i, "").split("=");
  const conditions =
    isRecord(object["status"]) && Array.isArray(object["status"]["conditions"])
      ? (object["status"]["conditions"] as PodCondition[])
      : [];
  const observed = isRecord(object["status"]) ? object["status"]["observedGeneration"] : undefined;
  const isStale = typeof observed === "number" && observed < (object.metadata.generation ?? 0);
  const found = conditionOf(
    conditions,
    conditions.find((condition) => condition.type.toLowerCase() === type.toLowerCase())?.type ?? type,
  );
  if (!isStale && found?.status.toLowerCase() === status.toLowerCase()) return undefined;
  if (object.kind === "Deployment") return deploymentGap(store, object);
  if (object.kind === "Pod") return podGap(object as Pod);
  return found === undefined
    ? `it has no condition ${type}`
    : `condition ${found.type} is ${found.status}${found.message === undefined ? "" : `: ${found.message}`}`;
}

function endpointGap(store: ObjectStore, service: KubeObject, count: number): string | undefined {
  const { name, namespace = "default" } = service.metadata;
  const addresses = new Set<string>();
  for (const slice of store.indexed("EndpointSlice", `${namespace}/${name}`)) {
    for (const endpoint of slice.endpoints)
      if (endpoint.conditions?.ready !== false) for (const address of endpoint.addresses) addresses.add(address);
  }
  return addresses.size === count ? undefined : `${addresses.size} of ${count} ready endpoints`;
}

function timeout(condition: WaitCondition, timeoutMs: number, gap: string): LabError {
  return new LabError(
    "WAIT_TIMEOUT",
    `${nameOf(condition.ref)} was not ${wantedText(condition)} within ${timeoutMs / 1000} s: ${gap}`,
  );
}

function wantedText(condition: WaitCondition): string {
  switch (condition.kind) {
    case "condition":
      return condition.condition;
    case "deleted":
      return "deleted";
    case "endpoints":
      return `${condition.count} endpoints`;
    case "rollout":
      return "rolled out";
  }
}

function nameOf({ kind, namespace, name }: StoreRef): string {
  return `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
}

function abortReason(reason: unknown): Error {
  return reason instanceof Error ? reason : new LabError("ABORTED", "the wait was aborted", { cause: reason });
}
