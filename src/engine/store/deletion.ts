import { isRecord } from "../../core/is-record.ts";
import { isPodTerminal } from "../../kube/pods.ts";
import type { KubeObject, Pod } from "../../kube/types.ts";
import { equalJson } from "./json.ts";

/** How a deletion goes about it. */
export interface DeleteOptions {
  /** 0 removes a pod without waiting for its kubelet. */
  gracePeriodSeconds?: number;
  /** Orphan leaves what the object owns; Background (the default) lets the garbage collector remove it. */
  propagation?: "Background" | "Orphan";
}

/** Finalizers that keep an object; a Namespace has its own list in spec besides (core/v1 NamespaceSpec). */
export function finalizersOf(object: KubeObject): string[] {
  const spec = object.kind === "Namespace" && isRecord(object["spec"]) ? object["spec"]["finalizers"] : undefined;
  return [...(object.metadata.finalizers ?? []), ...(Array.isArray(spec) ? spec.map(String) : [])];
}

/** Whether a deletion waits for a kubelet: a pod that has a node and has not ended. */
export function isStoredGracefully(object: KubeObject): boolean {
  if (object.kind !== "Pod" || object.apiVersion !== "v1") return false;
  const pod = object as Pod;
  return pod.spec.nodeName !== undefined && !isPodTerminal(pod);
}

/** Sets what the API sets on an object whose deletion has begun. */
export function markDeleted(draft: KubeObject, time: string, isGraceful: boolean): void {
  draft.metadata.deletionTimestamp ??= time;
  Object.assign(draft.metadata, { deletionGracePeriodSeconds: isGraceful ? graceSeconds(draft) : 0 });
  if (draft.kind === "Namespace") draft["status"] = { phase: "Terminating" };
}

function graceSeconds(draft: KubeObject): number {
  const spec = draft["spec"];
  const seconds = isRecord(spec) ? spec["terminationGracePeriodSeconds"] : undefined;
  return typeof seconds === "number" && seconds > 0 ? seconds : 30;
}

/** Whether a written object is one whose deletion has begun and that nothing holds any more. */
export function isToBeRemoved(draft: KubeObject): boolean {
  const { metadata } = draft;
  if (metadata.deletionTimestamp === undefined || finalizersOf(draft).length > 0) return false;
  return !("deletionGracePeriodSeconds" in metadata) || metadata.deletionGracePeriodSeconds === 0;
}

/** Whether a write changes what is wanted: anything but metadata and status. */
export function bumpsGeneration(stored: KubeObject, draft: KubeObject): boolean {
  const wanted = ({ metadata: _metadata, status: _status, ...rest }: KubeObject): unknown => rest;
  return !equalJson(wanted(stored), wanted(draft));
}
