import {
  checkAddressPool,
  METALLB_API,
  METALLB_NAMESPACE,
  type IpAddressPool,
  type L2Advertisement,
} from "../../kube/address-pools.ts";
import type { KubeObject } from "../../kube/types.ts";
import type { AdmissionRule, ObjectStore } from "../store/store.ts";

/** What the store files MetalLB's objects under. */
export const POOL_KEY = "IPAddressPool.metallb.io";
export const ADVERTISEMENT_KEY = "L2Advertisement.metallb.io";

function inNamespace(store: ObjectStore, key: string): KubeObject[] {
  return store
    .all({ kind: key, namespace: METALLB_NAMESPACE })
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined);
}

/** In the order of their names. */
export function addressPools(store: ObjectStore): IpAddressPool[] {
  const pools = inNamespace(store, POOL_KEY) as IpAddressPool[];
  return pools.toSorted((one, other) => (one.metadata.name < other.metadata.name ? -1 : 1));
}

export function advertisements(store: ObjectStore): L2Advertisement[] {
  return inNamespace(store, ADVERTISEMENT_KEY) as L2Advertisement[];
}

/** MetalLB's webhook, which refuses pools that make no sense (OBJECT_INVALID). */
export const addressPoolRule: AdmissionRule = (draft, { operation, key, store }) => {
  if (operation === "delete" || key !== POOL_KEY || draft.metadata.namespace !== METALLB_NAMESPACE) return;
  checkAddressPool(
    draft as IpAddressPool,
    addressPools(store).filter(({ metadata }) => metadata.name !== draft.metadata.name),
  );
};

/** What the add-on writes after its installation: a pool `cnilab` of these ranges (`FIRST-LAST`), announced in layer 2. */
export function defaultPool(addresses: readonly string[]): [IpAddressPool, L2Advertisement] {
  const metadata = { namespace: METALLB_NAMESPACE, name: "cnilab" };
  return [
    { apiVersion: METALLB_API, kind: "IPAddressPool", metadata, spec: { addresses: [...addresses] } },
    { apiVersion: METALLB_API, kind: "L2Advertisement", metadata, spec: { ipAddressPools: ["cnilab"] } },
  ];
}

/** {@link defaultPool}, with the namespace that it lives in. */
export function createDefaultPool(store: ObjectStore, addresses: readonly string[]): void {
  store.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: METALLB_NAMESPACE } });
  for (const object of defaultPool(addresses)) store.create(object);
}
