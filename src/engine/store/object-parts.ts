import { LabError } from "../../core/errors.ts";
import type { KubeObject } from "../../kube/types.ts";
import { cloneJson } from "./json.ts";

/** Where an object is; a namespaced one without a namespace is looked for in "default". */
export interface StoreRef {
  kind: string;
  namespace?: string;
  name: string;
}

/** The stored object with one part taken from the written one; what only the store may set stays. */
export function merged(stored: KubeObject, written: KubeObject, part: "object" | "status" | "all"): KubeObject {
  const status = part === "object" ? stored["status"] : written["status"];
  const draft = part === "status" ? cloneJson(stored) : written;
  delete draft["status"];
  if (status !== undefined) draft["status"] = cloneJson(status);
  const { uid, resourceVersion, generation, creationTimestamp, deletionTimestamp, namespace } = stored.metadata;
  const fixed = { uid, resourceVersion, generation, creationTimestamp, deletionTimestamp, namespace };
  draft.metadata = cloneJson({ ...draft.metadata, ...fixed } as KubeObject["metadata"]);
  const grace = (stored.metadata as unknown as Record<string, unknown>)["deletionGracePeriodSeconds"];
  if (grace !== undefined) Object.assign(draft.metadata, { deletionGracePeriodSeconds: grace });
  return draft;
}

/** The error for a reference that leads nowhere. */
export function notFound(ref: StoreRef): LabError {
  const place = ref.namespace === undefined || ref.namespace === "" ? "" : ` in namespace ${ref.namespace}`;
  return new LabError("OBJECT_NOT_FOUND", `${ref.kind} "${ref.name}"${place} does not exist`);
}

/** An object as messages name it: `Deployment shop/web`. */
export function describe(object: KubeObject): string {
  const { namespace, name } = object.metadata;
  return `${object.kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
}
