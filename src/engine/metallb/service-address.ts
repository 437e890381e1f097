import { formatIp, parseIp } from "../../core/ip.ts";
import { poolAddresses, poolHas, type IpAddressPool } from "../../kube/address-pools.ts";
import { serviceAddressesOf } from "../../kube/load-balancers.ts";
import type { Service } from "../../kube/types.ts";
import type { ObjectStore } from "../store/store.ts";

type Family = 4 | 6;
const FAMILIES: readonly Family[] = [4, 6];

/** Where a Service says which address it wants, and of which pool (metallb.io/usage). */
const ADDRESS_ANNOTATIONS = ["metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs"];
const POOL_ANNOTATIONS = ["metallb.io/address-pool", "metallb.universe.tf/address-pool"];
const SHARING_ANNOTATIONS = ["metallb.io/allow-shared-ip", "metallb.universe.tf/allow-shared-ip"];

/** Addresses, one or one a family, with the pool that they are of, or why there is none, in MetalLB's words. */
export type Allocation = { addresses: string[]; pool: string } | { failure: string };

/** Whether the Service is MetalLB's to serve: one with a class of its own is another load balancer's. */
export function isBalanced({ spec, metadata }: Service): boolean {
  return (
    spec.type === "LoadBalancer" && spec.loadBalancerClass === undefined && metadata.deletionTimestamp === undefined
  );
}

/** Who has an address that the Service may not share; undefined where it is free. */
type Holder = (address: string) => string | undefined;

/**
 * The addresses of a Service, one for each family of its cluster IPs, all of one pool: those it has, while their pool gives them out and
 * it asks for no others; else those it asks for; else the first free ones of the first pool by name that has them. A Service that only
 * prefers both families takes one where no pool has two, and the other when that pool has one (internal/allocator, controller/service.go).
 * Two Services share an address where both have the same sharing key, ports of their own, and endpoints that a node may take for either
 * (metallb.io/usage, IP address sharing).
 */
export function allocate(service: Service, pools: readonly IpAddressPool[], store: ObjectStore): Allocation {
  const why = holders(service, store);
  const wanted = wantedFamilies(service);
  const poolName = annotation(service, POOL_ANNOTATIONS);
  const asked = askedAddresses(service);
  if ("failure" in asked) return asked;
  const present = serviceAddressesOf(service);
  const held = poolOf(present, pools);
  const isKept =
    held !== undefined &&
    (poolName ?? held.metadata.name) === held.metadata.name &&
    (asked.addresses.length === 0 || isSame(asked.addresses, present)) &&
    fits(present, wanted) &&
    present.every((address) => why(address) === undefined);
  if (isKept) {
    const lacking = wanted.families.filter((family) => !present.map(familyOf).includes(family));
    return { addresses: [...present, ...freeIn(held, lacking, why)], pool: held.metadata.name };
  }
  if (asked.addresses.length > 0) return askedFor(asked.addresses, { pools, poolName, wanted, why });
  if (poolName !== undefined && !pools.some(({ metadata }) => metadata.name === poolName))
    return { failure: `unknown pool "${poolName}"` };
  const found = firstFree(
    pools.filter(({ metadata, spec }) =>
      poolName === undefined ? spec.autoAssign !== false : metadata.name === poolName,
    ),
    wanted,
    why,
  );
  return found ?? { failure: poolName === undefined ? "no available IPs" : `no available IPs in pool "${poolName}"` };
}

interface Wanted {
  /** IPv4 first, as MetalLB writes them. */
  families: readonly Family[];
  /** Of its cluster IPs. */
  primary: Family;
  /** One of two is enough. */
  isOneEnough: boolean;
}

function wantedFamilies({ spec }: Service): Wanted {
  const own = (spec.clusterIPs ?? [spec.clusterIP ?? ""]).map(familyOf);
  const families = FAMILIES.filter((family) => own.includes(family));
  const isOneEnough = families.length > 1 && spec.ipFamilyPolicy === "PreferDualStack";
  return { families, primary: own[0] ?? 4, isOneEnough };
}

function fits(addresses: readonly string[], { families, isOneEnough }: Wanted): boolean {
  const own = addresses.map(familyOf);
  if (own.length === 0 || new Set(own).size < own.length || own.some((family) => !families.includes(family)))
    return false;
  return own.length === families.length || isOneEnough;
}

function familyOf(address: string): Family {
  return address.includes(":") ? 6 : 4;
}

/** The pool that gives all of them out. */
function poolOf(addresses: readonly string[], pools: readonly IpAddressPool[]): IpAddressPool | undefined {
  return addresses.length === 0
    ? undefined
    : pools.find((pool) => addresses.every((address) => poolHas(pool, address)));
}

/** Of the first pool with all that is wanted; else, where one is enough, of the first with the primary family, or the other. */
function firstFree(pools: readonly IpAddressPool[], wanted: Wanted, why: Holder): Allocation | undefined {
  let best: { addresses: string[]; pool: string } | undefined;
  for (const pool of pools) {
    const found = { addresses: freeIn(pool, wanted.families, why), pool: pool.metadata.name };
    if (!fits(found.addresses, wanted)) continue;
    if (found.addresses.length === wanted.families.length) return found;
    const isPrimary = ({ addresses }: { addresses: string[] }): boolean =>
      familyOf(addresses[0] ?? "") === wanted.primary;
    if (best === undefined || (!isPrimary(best) && isPrimary(found))) best = found;
  }
  return best;
}

/** The first free address of each family that has one. */
function freeIn(pool: IpAddressPool, families: readonly Family[], why: Holder): string[] {
  return families.flatMap((family) => {
    for (const address of poolAddresses(pool, family)) if (why(address) === undefined) return [address];
    return [];
  });
}

function holders(service: Service, store: ObjectStore): Holder {
  const others = new Map<string, Service[]>();
  for (const other of store.list("Service")) {
    if (other.metadata.uid === service.metadata.uid) continue;
    for (const address of serviceAddressesOf(other)) others.set(address, [...(others.get(address) ?? []), other]);
  }
  return (address) => {
    const holder = others.get(address)?.find((other) => !mayShare(service, other));
    return holder === undefined ? undefined : `${holder.metadata.namespace}/${holder.metadata.name}`;
  };
}

/** What the Service asks for, by the field or by the annotation, which may name one of each family. */
function askedAddresses(service: Service): { addresses: string[] } | { failure: string } {
  const listed = annotation(service, ADDRESS_ANNOTATIONS);
  const field = nonEmpty(service.spec.loadBalancerIP);
  if (listed !== undefined && field !== undefined)
    return { failure: `service can not have both ${ADDRESS_ANNOTATIONS[0]} and svc.Spec.LoadBalancerIP` };
  const parsed = (listed ?? field ?? "").split(",").map((text) => parseIp(text.trim()));
  if (listed === undefined && field === undefined) return { addresses: [] };
  const addresses = parsed.flatMap((ip) => (ip === undefined ? [] : [formatIp(ip)]));
  if (addresses.length === parsed.length) return { addresses };
  return {
    failure:
      listed === undefined
        ? `invalid spec.loadBalancerIP "${field}"`
        : `invalid ${ADDRESS_ANNOTATIONS[0]}: "${listed}"`,
  };
}

function askedFor(
  addresses: string[],
  {
    pools,
    poolName,
    wanted,
    why,
  }: { pools: readonly IpAddressPool[]; poolName: string | undefined; wanted: Wanted; why: Holder },
): Allocation {
  const quoted = quotedList(addresses);
  if (!fits(addresses, { ...wanted, isOneEnough: false }))
    return { failure: `requested loadBalancer IP(s) ${quoted} does not match the ipFamily of the service` };
  const pool = poolOf(addresses, pools);
  if (pool === undefined) return { failure: `${quoted} is not allowed in config` };
  const holder = addresses.map(why).find((each) => each !== undefined);
  if (holder !== undefined) return { failure: `can't change sharing key, address also in use by ${holder}` };
  return poolName === undefined || poolName === pool.metadata.name
    ? { addresses, pool: pool.metadata.name }
    : { failure: `requested loadBalancer IP(s) ${quoted} is not compatible with requested address pool ${poolName}` };
}

/** As Go prints a list of strings with %q. */
export function quotedList(texts: readonly string[]): string {
  return `[${texts.map((text) => JSON.stringify(text)).join(" ")}]`;
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((each) => others.includes(each));
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
