import { createHash } from "node:crypto";
import { poolHas } from "../../kube/address-pools.ts";
import { serviceAddressesOf } from "../../kube/load-balancers.ts";
import type { EndpointSlice, NodeObject, Service } from "../../kube/types.ts";
import type { ObjectStore } from "../store/store.ts";
import { addressPools, advertisements } from "./pools.ts";
import { isBalanced } from "./service-address.ts";

/** Who has this label takes no part in load balancers (well_known_labels.go); kubeadm gives it to control planes. */
const EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers";

/** One address, the node that answers for it, and the Services that have it. */
export interface Announced {
  address: string;
  node: string;
  services: { namespace: string; name: string }[];
}

/**
 * Which node announces each address of a load balancer, as MetalLB's speakers agree on it without talking about it
 * (internal/speaker layer2_controller.go): of the nodes that may, the first in the order of the SHA-256 of `NODE#ADDRESS`, for a Service of both families by its first address. With
 * externalTrafficPolicy Local those may that have an endpoint that serves; else all, while there is one anywhere. Nobody announces
 * an address of no pool, or of a pool that no L2Advertisement names.
 */
export function announcedAddresses(store: ObjectStore): Announced[] {
  const pools = addressPools(store);
  const adverts = advertisements(store);
  const isAdvertised = (address: string): boolean =>
    pools.some(
      (pool) =>
        poolHas(pool, address) &&
        adverts.some(({ spec }) => (spec?.ipAddressPools ?? [pool.metadata.name]).includes(pool.metadata.name)),
    );
  const nodes = store.list("Node").filter(isSpeaking);
  const announced = new Map<string, Announced>();
  for (const service of store.list("Service")) {
    const [first, ...others] = serviceAddressesOf(service);
    if (first === undefined || !isBalanced(service)) continue;
    // One node has them all: the election is by the first.
    const node = electedNode(service, first, nodes, store);
    if (node === undefined) continue;
    const { namespace = "default", name } = service.metadata;
    for (const address of [first, ...others].filter(isAdvertised)) {
      const shared = announced.get(address);
      if (shared === undefined) announced.set(address, { address, node, services: [{ namespace, name }] });
      else shared.services.push({ namespace, name });
    }
  }
  return [...announced.values()];
}

/** A node whose speaker is not heard from is out of the election. */
function isSpeaking({ metadata, status }: NodeObject): boolean {
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  return ready?.status === "True" && metadata.labels?.[EXCLUDED] === undefined;
}

function electedNode(
  service: Service,
  address: string,
  nodes: readonly NodeObject[],
  store: ObjectStore,
): string | undefined {
  const { namespace = "default", name } = service.metadata;
  const serving = store.indexed("EndpointSlice", `${namespace}/${name}`).flatMap(servingNodes);
  if (serving.length === 0) return undefined;
  const isLocal = service.spec["externalTrafficPolicy"] === "Local";
  return nodes
    .map(({ metadata }) => metadata.name)
    .filter((node) => !isLocal || serving.includes(node))
    .map((node) => ({ node, rank: createHash("sha256").update(`${node}#${address}`).digest("hex") }))
    .toSorted((one, other) => (one.rank < other.rank ? -1 : 1))[0]?.node;
}

/** Of each endpoint that can serve; "" where it is on none. */
function servingNodes({ endpoints }: EndpointSlice): string[] {
  return endpoints
    .filter(({ conditions }) => conditions?.serving ?? conditions?.ready ?? true)
    .map(({ nodeName }) => nodeName ?? "");
}
