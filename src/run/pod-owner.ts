import type { KubeObject, Pod } from "../kube/types.ts";
import { namespaceOf } from "./reference-objects.ts";

/** The object that a manifest wrote to get a pod. */
export interface WorkloadName {
  kind: string;
  namespace: string;
  name: string;
}

/**
 * Follows controllers upwards, from ReplicaSet to Deployment; a pod without a controller is its own workload. A
 * controller that is already gone ends the walk at its own name.
 */
export function workloadOf(pod: Pod, objects: readonly KubeObject[]): WorkloadName {
  const namespace = namespaceOf(pod);
  let current: KubeObject = pod;
  for (;;) {
    const controller: { kind: string; name: string } | undefined = current.metadata.ownerReferences?.find(
      (owner) => owner.controller === true,
    );
    if (controller === undefined) return { kind: current.kind, namespace, name: current.metadata.name };
    const next = objects.find(
      (object) =>
        object.kind === controller.kind &&
        namespaceOf(object) === namespace &&
        object.metadata.name === controller.name,
    );
    if (next === undefined || next === current) return { kind: controller.kind, namespace, name: controller.name };
    current = next;
  }
}

/**
 * Names a cell's end by its workload, "namespace/deployment/name", so that a baseline outlives a roll-out; ends that are
 * no pods of the cluster keep their names.
 */
export function stableNames(objects: readonly KubeObject[]): (end: string) => string {
  const names = new Map<string, string>();
  for (const object of objects) {
    if (object.kind !== "Pod") continue;
    const { kind, namespace, name } = workloadOf(object as Pod, objects);
    if (kind !== "Pod") names.set(`${namespace}/${object.metadata.name}`, `${namespace}/${kind.toLowerCase()}/${name}`);
  }
  return (end) => names.get(end) ?? end;
}
