import type { EndpointSlice, KubeObject } from "../../kube/types.ts";
import { equalJson } from "../store/json.ts";
import type { ObjectStore } from "../store/store.ts";
import type { EndpointPort } from "./service-endpoints.ts";
import { ownerReference } from "./owned-pods.ts";

/** kube-controller-manager's --max-endpoints-per-slice. */
const MAX_ENDPOINTS = 100;

/** What one family and set of ports should have, however many slices that takes. */
export interface WantedSlice {
  addressType: "IPv4" | "IPv6";
  endpoints: EndpointSlice["endpoints"];
  ports: EndpointPort[];
}

/** Whose slices they are. */
export interface SliceOwner {
  /** The Service, or the Endpoints they mirror; they go when it goes. */
  owner: KubeObject;
  serviceName: string;
  managedBy: string;
  labels: Record<string, string>;
}

/** Writes the slices that differ, and removes those no longer wanted; slices of other writers are not touched. */
export function writeSlices(store: ObjectStore, identity: SliceOwner, wanted: readonly WantedSlice[]): void {
  const { owner, serviceName, managedBy } = identity;
  const namespace = owner.metadata.namespace ?? "default";
  const labels = {
    ...identity.labels,
    "kubernetes.io/service-name": serviceName,
    "endpointslice.kubernetes.io/managed-by": managedBy,
  };
  const isOurs = ({ metadata }: EndpointSlice): boolean =>
    metadata.labels?.["endpointslice.kubernetes.io/managed-by"] === managedBy;
  const spare = store.indexed("EndpointSlice", `${namespace}/${serviceName}`).filter(isOurs);
  for (const { addressType, endpoints, ports } of wanted.flatMap(pages)) {
    const index = closest(spare, addressType, ports);
    const [present] = index < 0 ? [] : spare.splice(index, 1);
    if (present !== undefined) {
      store.update({ ...present, metadata: { ...present.metadata, labels }, endpoints, ports });
      continue;
    }
    const named = {
      generateName: `${serviceName}-`,
      namespace,
      labels,
      ownerReferences: [ownerReference(owner)],
    };
    store.create<EndpointSlice>({
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: named as unknown as EndpointSlice["metadata"],
      addressType,
      endpoints,
      ports,
    });
  }
  for (const { metadata } of spare) store.delete({ kind: "EndpointSlice", namespace, name: metadata.name });
}

function pages({ endpoints, ...rest }: WantedSlice): WantedSlice[] {
  const result = [{ ...rest, endpoints: endpoints.slice(0, MAX_ENDPOINTS) }];
  for (let start = MAX_ENDPOINTS; start < endpoints.length; start += MAX_ENDPOINTS)
    result.push({ ...rest, endpoints: endpoints.slice(start, start + MAX_ENDPOINTS) });
  return result;
}

/** A slice of the family to rewrite: one with these ports if there is one, else any. */
function closest(spare: readonly EndpointSlice[], addressType: string, ports: readonly EndpointPort[]): number {
  const index = spare.findIndex((slice) => slice.addressType === addressType && equalJson(slice.ports, ports));
  return index >= 0 ? index : spare.findIndex((slice) => slice.addressType === addressType);
}
