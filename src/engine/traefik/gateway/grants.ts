import type { ObjectStore } from "../../store/store.ts";
import { GATEWAY_GROUP } from "../../../kube/gateway/gateway-types.ts";

/** How Traefik writes the group of Services and Secrets. */
export const CORE = "core";

export interface Referrer {
  kind: "Gateway" | "HTTPRoute";
  namespace: string;
}

export interface Referred {
  /** Of the API's own kinds {@link CORE}. */
  group: string;
  kind: string;
  name: string;
  namespace: string;
}

/** Whether an object may refer to another: in its own namespace always, else where a ReferenceGrant beside the other says so (isReferenceGranted). */
export function isGranted(store: ObjectStore, from: Referrer, to: Referred): boolean {
  if (from.namespace === to.namespace) return true;
  const groupOf = ({ group }: { group?: string }): string => (group === undefined || group === "" ? CORE : group);
  return store
    .list("ReferenceGrant", to.namespace)
    .some(
      ({ spec }) =>
        spec.from.some(
          (each) => groupOf(each) === GATEWAY_GROUP && each.kind === from.kind && each.namespace === from.namespace,
        ) &&
        spec.to.some(
          (each) =>
            groupOf(each) === to.group && each.kind === to.kind && (each.name === undefined || each.name === to.name),
        ),
    );
}
