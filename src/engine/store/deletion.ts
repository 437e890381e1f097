import { isRecord } from "../../core/is-record.ts";
import { isPodTerminal } from "../../kube/pods.ts";
import type { KubeObject, Pod } from "../../kube/types.ts";
import { apiTime } from "../clock.ts";
import { equalJson } from "./json.ts";

/** How a deletion goes about it. */
export interface DeleteOptions {
  /** Of a pod; 0 removes it without waiting for its kubelet. By default its own terminationGracePeriodSeconds. */
  gracePeriodSeconds?: number;
  /**
   * Orphan leaves what the object owns; Background lets the garbage collector remove it, and Foreground has the object wait until it has. By
   * default what the object's finalizers say, else Background.
   */
  propagation?: "Background" | "Orphan" | "Foreground";
}

/** Finalizers that the garbage collector takes away: when nothing that blocks is left, and when nothing is owned any more. */
export const FOREGROUND_FINALIZER = "foregroundDeletion";
export const ORPHAN_FINALIZER = "orphan";

/** The finalizers of an object when its deletion begins; what is asked for wins over what they said. */
export function deletionFinalizers(
  { finalizers = [] }: KubeObject["metadata"],
  propagation: DeleteOptions["propagation"],
): string[] {
  if (propagation === undefined) return finalizers;
  const others = finalizers.filter((each) => each !== FOREGROUND_FINALIZER && each !== ORPHAN_FINALIZER);
  return propagation === "Foreground" ? [...others, FOREGROUND_FINALIZER] : others;
}

/** A dependent without the owner of this uid. */
export function withoutOwner<T extends KubeObject>(dependent: T, uid: string): T {
  const { ownerReferences = [], ...metadata } = dependent.metadata;
  const kept = ownerReferences.filter((owner) => owner.uid !== uid);
  return { ...dependent, metadata: { ...metadata, ...(kept.length === 0 ? {} : { ownerReferences: kept }) } };
}

/** Finalizers that keep an object; a Namespace has its own list in spec besides (core/v1 NamespaceSpec). */
export function finalizersOf(object: KubeObject): string[] {
  const spec = object.kind === "Namespace" && isRecord(object["spec"]) ? object["spec"]["finalizers"] : undefined;
  return [...(object.metadata.finalizers ?? []), ...(Array.isArray(spec) ? spec.map(String) : [])];
}

/**
 * What a deletion gives an object to end, seconds: a pod what is asked for, else its own terminationGracePeriodSeconds; nothing where no kubelet has to
 * end it, since it has no node or has ended, and other kinds nothing (registry/core/pod/strategy.go, CheckGracefulDelete).
 */
export function gracePeriod(object: KubeObject, asked: number | undefined): number {
  if (object.kind !== "Pod" || object.apiVersion !== "v1") return 0;
  const pod = object as Pod;
  if (pod.spec.nodeName === undefined || isPodTerminal(pod)) return 0;
  const own = pod.spec["terminationGracePeriodSeconds"];
  const seconds = asked ?? (typeof own === "number" ? own : 30);
  return seconds < 0 ? 1 : seconds;
}

/**
 * Sets what the API sets on an object whose deletion has begun: the time at which its grace period is over. A later request, of which `asked` seconds
 * are said, may shorten it and no more (apiserver registry/rest/delete.go, BeforeDelete).
 */
export function markDeleted(draft: KubeObject, nowMs: number, grace: number, asked: number | undefined): void {
  const { metadata } = draft;
  const { deletionTimestamp: before, deletionGracePeriodSeconds: known = 0 } = metadata;
  const isShorter = before !== undefined && (grace === 0 || (asked !== undefined && grace < known));
  if (before === undefined) metadata.deletionTimestamp = apiTime(nowMs + grace * 1000);
  else if (isShorter) metadata.deletionTimestamp = apiTime(Date.parse(before) - (known - grace) * 1000);
  if (before === undefined || isShorter) metadata.deletionGracePeriodSeconds = grace;
  if (draft.kind === "Namespace") draft["status"] = { phase: "Terminating" };
}

/** Whether a written object is one whose deletion has begun and that nothing holds any more. */
export function isToBeRemoved(draft: KubeObject): boolean {
  const { metadata } = draft;
  if (metadata.deletionTimestamp === undefined || finalizersOf(draft).length > 0) return false;
  return (metadata.deletionGracePeriodSeconds ?? 0) === 0;
}

/** Whether a write changes what is wanted: anything but metadata and status. */
export function bumpsGeneration(stored: KubeObject, draft: KubeObject): boolean {
  const wanted = ({ metadata: _metadata, status: _status, ...rest }: KubeObject): unknown => rest;
  return !equalJson(wanted(stored), wanted(draft));
}
