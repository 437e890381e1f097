import { isIp } from "../../core/ip.ts";
import { poolAddresses, poolHas, type IpAddressPool } from "../../kube/address-pools.ts";
import { serviceAddressOf } from "../../kube/load-balancers.ts";
import type { Service } from "../../kube/types.ts";
import type { ObjectStore } from "../store/store.ts";

/** Where a Service says which address it wants, and of which pool (metallb.io/usage). */
const ADDRESS_ANNOTATIONS = ["metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs"];
const POOL_ANNOTATIONS = ["metallb.io/address-pool", "metallb.universe.tf/address-pool"];
const SHARING_ANNOTATIONS = ["metallb.io/allow-shared-ip", "metallb.universe.tf/allow-shared-ip"];

/** An address with the pool that it is of, or why there is none, in MetalLB's words. */
export type Allocation = { address: string; pool: string } | { failure: string };

/** Whether the Service is MetalLB's to serve: one with a class of its own is another load balancer's. */
export function isBalanced({ spec, metadata }: Service): boolean {
  return (
    spec.type === "LoadBalancer" && spec.loadBalancerClass === undefined && metadata.deletionTimestamp === undefined
  );
}

/**
 * The address of a Service: the one it has, while its pool gives it out and it asks for no other; else the one it asks for;
 * else the first free one of the first pool by name that has one. Two Services share an address where both have the same
 * sharing key, ports of their own, and endpoints that a node may take for either (metallb.io/usage, IP address sharing).
 */
export function allocate(service: Service, pools: readonly IpAddressPool[], store: ObjectStore): Allocation {
  const others = store
    .list("Service")
    .filter((other) => other.metadata.uid !== service.metadata.uid && serviceAddressOf(other) !== undefined);
  const why = (address: string): string | undefined => {
    const holder = others.find((other) => serviceAddressOf(other) === address && !mayShare(service, other));
    return holder === undefined ? undefined : `${holder.metadata.namespace}/${holder.metadata.name}`;
  };
  const poolName = annotation(service, POOL_ANNOTATIONS);
  const asked = annotation(service, ADDRESS_ANNOTATIONS) ?? nonEmpty(service.spec.loadBalancerIP);
  const present = serviceAddressOf(service);
  const poolOf = (address: string): string | undefined =>
    pools.find((pool) => (poolName ?? pool.metadata.name) === pool.metadata.name && poolHas(pool, address))?.metadata
      .name;
  const held = present === undefined ? undefined : poolOf(present);
  if (
    present !== undefined &&
    held !== undefined &&
    (asked === undefined || asked === present) &&
    why(present) === undefined
  )
    return { address: present, pool: held };
  if (asked !== undefined) return askedFor(asked, poolOf, why);
  if (poolName !== undefined && !pools.some(({ metadata }) => metadata.name === poolName))
    return { failure: `unknown pool "${poolName}"` };
  for (const pool of pools) {
    if (poolName === undefined ? pool.spec.autoAssign === false : pool.metadata.name !== poolName) continue;
    for (const address of poolAddresses(pool))
      if (why(address) === undefined) return { address, pool: pool.metadata.name };
  }
  return { failure: poolName === undefined ? "no available IPs" : `no available IPs in pool "${poolName}"` };
}

function askedFor(
  address: string,
  poolOf: (address: string) => string | undefined,
  why: (address: string) => string | undefined,
): Allocation {
  if (!isIp(address)) return { failure: `invalid loadBalancerIPs "${address}"` };
  const pool = poolOf(address);
  if (pool === undefined) return { failure: `["${address}"] is not allowed in config` };
  const holder = why(address);
  return holder === undefined
    ? { address, pool }
    : { failure: `can't change sharing key, address also in use by ${holder}` };
}

function mayShare(one: Service, other: Service): boolean {
  const key = annotation(one, SHARING_ANNOTATIONS);
  if (key === undefined || key !== annotation(other, SHARING_ANNOTATIONS)) return false;
  const isLocal = ({ spec }: Service): boolean => spec["externalTrafficPolicy"] === "Local";
  if (isLocal(one) || isLocal(other)) {
    const selector = ({ spec }: Service): string =>
      Object.entries(spec.selector ?? {})
        .map((pair) => pair.join("="))
        .toSorted()
        .join(",");
    if (isLocal(one) !== isLocal(other) || selector(one) !== selector(other)) return false;
  }
  const ports = ({ spec }: Service): string[] =>
    (spec.ports ?? []).map(({ port, protocol = "TCP" }) => `${port}/${protocol}`);
  const taken = new Set(ports(other));
  return !ports(one).some((port) => taken.has(port));
}

function annotation({ metadata }: Service, names: readonly string[]): string | undefined {
  return nonEmpty(
    names
      .map((name) => metadata.annotations?.[name])
      .find((value) => value !== undefined)
      ?.trim(),
  );
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
