import { cidrSize, formatIp, parseCidr, parseIp } from "../core/ip.ts";
import { LabError } from "../core/errors.ts";
import type { KubeObject } from "./types.ts";

/** MetalLB's own objects are in this group; its add-on brings their definitions. */
export const METALLB_API = "metallb.io/v1beta1";

/** Where MetalLB looks for its pools and announcements, and for no others. */
export const METALLB_NAMESPACE = "metallb-system";

/** metallb.io/v1beta1 IPAddressPool, as far as something here reads it. */
export interface IpAddressPool extends KubeObject {
  kind: "IPAddressPool";
  spec: {
    /** CIDRs and `FIRST-LAST`, of both families. */
    addresses: string[];
    /** Whether Services that do not name the pool get its addresses; by default they do. */
    autoAssign?: boolean;
    /** Leaves out IPv4 addresses that end in .0 and .255. */
    avoidBuggyIPs?: boolean;
  };
}

/** metallb.io/v1beta1 L2Advertisement: which pools' addresses answer ARP and neighbour discovery. */
export interface L2Advertisement extends KubeObject {
  kind: "L2Advertisement";
  /** Without `ipAddressPools` all of them. */
  spec?: { ipAddressPools?: string[] };
}

/** The two kinds that {@link METALLB_API} has here. */
export function isMetallbObject({ apiVersion, kind }: { apiVersion: string; kind: string }): boolean {
  return apiVersion === METALLB_API && (kind === "IPAddressPool" || kind === "L2Advertisement");
}

/** Both ends belong to it. */
export interface PoolRange {
  family: 4 | 6;
  first: bigint;
  last: bigint;
}

/** `192.0.2.0/28` or `2001:db8::10-2001:db8::20`; undefined where it is neither. */
export function parsePoolRange(text: string): PoolRange | undefined {
  const cidr = parseCidr(text.trim());
  if (cidr !== undefined) return { family: cidr.family, first: cidr.value, last: cidr.value + cidrSize(cidr) - 1n };
  const [first, last, ...more] = text.split("-").map((end) => parseIp(end.trim()));
  if (first === undefined || last === undefined || more.length > 0) return undefined;
  return first.family !== last.family || first.value > last.value
    ? undefined
    : { family: first.family, first: first.value, last: last.value };
}

/** Whether the pool gives this address out. */
export function poolHas(pool: IpAddressPool, address: string): boolean {
  const ip = parseIp(address);
  if (ip === undefined) return false;
  return rangesOf(pool).some(
    ({ family, first, last }) => family === ip.family && first <= ip.value && ip.value <= last && !isAvoided(pool, ip),
  );
}

/** The pool's addresses of a family, in the order of its ranges. */
export function* poolAddresses(pool: IpAddressPool, wanted: 4 | 6): Iterable<string> {
  for (const { family, first, last } of rangesOf(pool)) {
    if (family !== wanted) continue;
    for (let value = first; value <= last; value += 1n)
      if (!isAvoided(pool, { family, value })) yield formatIp({ family, value });
  }
}

function rangesOf({ spec }: IpAddressPool): PoolRange[] {
  return spec.addresses.flatMap((text) => parsePoolRange(text) ?? []);
}

function isAvoided({ spec }: IpAddressPool, { family, value }: { family: 4 | 6; value: bigint }): boolean {
  const octet = value & 255n;
  return spec.avoidBuggyIPs === true && family === 4 && (octet === 0n || octet === 255n);
}

/** What MetalLB's webhook refuses of a pool beside others: no address, one that is none, one that is another pool's. Throws OBJECT_INVALID. */
export function checkAddressPool(pool: IpAddressPool, others: readonly IpAddressPool[]): void {
  const refuse = (what: string): LabError =>
    new LabError("OBJECT_INVALID", `IPAddressPool ${pool.metadata.namespace ?? ""}/${pool.metadata.name}: ${what}`);
  const { addresses } = (pool as Partial<IpAddressPool>).spec ?? {};
  if (!Array.isArray(addresses) || addresses.length === 0) throw refuse("spec.addresses is empty");
  for (const text of addresses as unknown[]) {
    const range = typeof text === "string" ? parsePoolRange(text) : undefined;
    if (range === undefined) throw refuse(`${JSON.stringify(text)} is neither a CIDR nor FIRST-LAST`);
    const taken = others.find((other) =>
      rangesOf(other).some(
        ({ family, first, last }) => family === range.family && first <= range.last && range.first <= last,
      ),
    );
    if (taken !== undefined) throw refuse(`${String(text)} overlaps with pool ${taken.metadata.name}`);
  }
}
