import type { KubeObject } from "../../../kube/types.ts";
import type { ObjectRef } from "../../types.ts";

/** `NetworkPolicy shop/deny`, for messages. */
export function refText({ kind, namespace, name }: ObjectRef): string {
  return `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
}

/** The reference to an object. */
export function refOf({ kind, metadata: { namespace, name } }: KubeObject): ObjectRef {
  return { kind, name, ...(namespace === undefined ? {} : { namespace }) };
}
