import { LabError } from "../core/errors.ts";
import { applyMergePatch } from "../kube/patch/merge-patch.ts";
import { restartPatch } from "../kube/rollout-restart.ts";
import type { KubeObject } from "../kube/types.ts";
import { cloneJson } from "./store/json.ts";
import type { StoreRef } from "./store/object-parts.ts";
import type { ObjectStore } from "./store/store.ts";

/** Sets spec.replicas; throws OBJECT_NOT_FOUND or NOT_SCALABLE. */
export function scale(store: ObjectStore, ref: StoreRef, replicas: number): void {
  const object = find(store, ref);
  if (!["Deployment", "ReplicaSet", "StatefulSet"].includes(object.kind)) {
    throw new LabError("NOT_SCALABLE", `a ${object.kind} has no replicas to scale`, {
      hint: "scale a Deployment, a ReplicaSet or a StatefulSet",
    });
  }
  const draft = cloneJson(object);
  store.update({ ...draft, spec: { ...(draft["spec"] as object), replicas } });
}

/** Annotates the template, so that all pods are replaced; throws OBJECT_NOT_FOUND. */
export function rolloutRestart(store: ObjectStore, ref: StoreRef, restartedAt: string): void {
  store.update(applyMergePatch(cloneJson(find(store, ref)), restartPatch(restartedAt)) as KubeObject);
}

function find(store: ObjectStore, ref: StoreRef): KubeObject {
  const object = store.find(ref);
  if (object === undefined) throw new LabError("OBJECT_NOT_FOUND", `${ref.kind} "${ref.name}" does not exist`);
  return object;
}
