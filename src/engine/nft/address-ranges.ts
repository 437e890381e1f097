import { Address4, Address6 } from "ip-address";
import { LabError } from "../../core/errors.ts";

/** nftables' words for the two families. */
export type Family = "ip" | "ip6";

/** Both ends belong to it. */
export interface AddressRange {
  first: bigint;
  last: bigint;
}

const BITS = { ip: 32n, ip6: 128n } as const;

export function familyOf(address: string): Family {
  return address.includes(":") ? "ip6" : "ip";
}

/** The range of a CIDR, or of one address; host bits are ignored, as the API server only warns of them. Throws BAD_ADDRESS. */
export function rangeOf(cidr: string): AddressRange {
  try {
    const parsed = familyOf(cidr) === "ip" ? new Address4(cidr) : new Address6(cidr);
    // The library's own conversions of IPv4 go through hexadecimal text, which a thousand pods would feel.
    if (parsed instanceof Address4) {
      const value = parsed.parsedAddress.reduce((sum, octet) => sum * 256 + Number(octet), 0);
      const size = 2 ** (32 - parsed.subnetMask);
      const first = value - (value % size);
      return { first: BigInt(first), last: BigInt(first + size - 1) };
    }
    return { first: parsed.startAddress().bigInt(), last: parsed.endAddress().bigInt() };
  } catch (cause) {
    throw new LabError("BAD_ADDRESS", `"${cidr}" is neither an IP address nor a CIDR`, { cause });
  }
}

/** Sorted, without overlaps and without neighbours that touch: what an interval set of nftables accepts. */
export function unionRanges(ranges: readonly AddressRange[]): AddressRange[] {
  const sorted = ranges.toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  const merged: AddressRange[] = [];
  for (const range of sorted) {
    const last = merged.at(-1);
    if (last === undefined || range.first > last.last + 1n) merged.push({ ...range });
    else if (range.last > last.last) last.last = range.last;
  }
  return merged;
}

/** What of `from` lies in none of `holes`. */
export function subtractRanges(from: AddressRange, holes: readonly AddressRange[]): AddressRange[] {
  const rest: AddressRange[] = [];
  let next = from.first;
  for (const hole of unionRanges(holes)) {
    if (hole.last < next || hole.first > from.last) continue;
    if (hole.first > next) rest.push({ first: next, last: hole.first - 1n });
    next = hole.last + 1n;
  }
  if (next <= from.last) rest.push({ first: next, last: from.last });
  return rest;
}

function formatAddress(family: Family, value: bigint): string {
  if (family === "ip6") return Address6.fromBigInt(value).correctForm();
  const number = Number(value);
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join(".");
}

/** An address in its one canonical form, fit for a ruleset whatever its source. Throws BAD_ADDRESS. */
export function canonicalAddress(address: string): string {
  return formatAddress(familyOf(address), rangeOf(address).first);
}

/** As nft(8) reads it: an address, a CIDR where the range is one, else "first-last". */
export function formatRange(family: Family, { first, last }: AddressRange): string {
  if (first === last) return formatAddress(family, first);
  const size = last - first + 1n;
  const hostBits = BigInt(size.toString(2).length - 1);
  const isNetwork = 1n << hostBits === size && first % size === 0n;
  return isNetwork
    ? `${formatAddress(family, first)}/${BITS[family] - hostBits}`
    : `${formatAddress(family, first)}-${formatAddress(family, last)}`;
}
