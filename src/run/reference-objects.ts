import type { KubeObject } from "../kube/types.ts";
import type { Plan, PlannedObject, PlannedStep } from "../plan/types.ts";
import type { ObjectRef } from "../providers/types.ts";

/** Names what a `delete` step takes away, beyond the objects of the manifests it names. */
export type DeletedRefs = (step: PlannedStep) => readonly ObjectRef[];

/**
 * The objects that the solved lab would have: what the scenario applies, less what it deletes, then every task's
 * solution on top. Nothing of a learner is in it. In the order of first mention.
 */
export function referenceObjects(plan: Plan, deletedRefs: DeletedRefs): PlannedObject[] {
  const objects = new Map<string, PlannedObject>();
  for (const step of plan.scenario) {
    if (step.kind === "delete") {
      for (const { object } of step.objects) remove(objects, object.kind, namespaceOf(object), object.metadata.name);
      for (const { kind, namespace, name } of deletedRefs(step)) remove(objects, kind, namespace ?? "default", name);
    } else {
      for (const planned of step.objects) objects.set(keyOf(planned.object), planned);
    }
  }
  for (const task of plan.tasks) for (const planned of task.solution) objects.set(keyOf(planned.object), planned);
  return [...objects.values()];
}

/** The object's namespace; "default" where a namespaced object names none, as the API server fills in. */
export function namespaceOf(object: KubeObject): string {
  return object.metadata.namespace ?? "default";
}

/** Deleting a namespace deletes what is in it. */
function remove(objects: Map<string, PlannedObject>, kind: string, namespace: string, name: string): void {
  for (const [key, { object }] of objects) {
    const isIt = object.kind.toLowerCase() === kind.toLowerCase() && object.metadata.name === name;
    const isClusterScoped = object.kind === "Namespace";
    if (isIt && (isClusterScoped || namespaceOf(object) === namespace)) objects.delete(key);
    else if (kind.toLowerCase() === "namespace" && !isClusterScoped && namespaceOf(object) === name)
      objects.delete(key);
  }
}

/** Equal for objects of one kind, namespace and name. */
export function keyOf(object: KubeObject): string {
  const namespace = object.kind === "Namespace" ? "" : namespaceOf(object);
  return `${object.kind}/${namespace}/${object.metadata.name}`;
}
