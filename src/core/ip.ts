/** An IP address as a number; IPv4-mapped IPv6 addresses stay IPv6. */
export interface IpAddress {
  family: 4 | 6;
  value: bigint;
}

/** A network: `value` has no bits below the prefix. */
export interface Cidr {
  family: 4 | 6;
  value: bigint;
  prefixLength: number;
}

/** The address as an unsigned 32-bit number, or undefined; leading zeros are refused, because some tools read octal. */
export function parseIpv4(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  let value = 0;
  for (let index = 1; index <= 4; index++) {
    const octet = match[index] as string;
    if (octet.length > 1 && octet.startsWith("0")) return undefined;
    const number = Number(octet);
    if (number > 255) return undefined;
    value = value * 256 + number;
  }
  return value;
}

/** Dotted form of an unsigned 32-bit number. */
export function formatIpv4(value: number): string {
  return `${(value >>> 24) & 255}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

/** An IPv4 or IPv6 literal, without brackets, zone or prefix length; undefined when it is none. */
export function parseIp(text: string): IpAddress | undefined {
  const ipv4 = parseIpv4(text);
  if (ipv4 !== undefined) return { family: 4, value: BigInt(ipv4) };
  const value = parseIpv6(text);
  return value === undefined ? undefined : { family: 6, value };
}

/** Whether the text is an IP literal of either family. */
export function isIp(text: string): boolean {
  return parseIp(text) !== undefined;
}

/** Canonical text: dotted, or RFC 5952 for IPv6. */
export function formatIp(address: IpAddress): string {
  return address.family === 4 ? formatIpv4(Number(address.value)) : formatIpv6(address.value);
}

/** Canonical text of an address as packets and the kernel have it: four bytes, or sixteen. */
export function formatIpBytes(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  return formatIpv6(bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n));
}

/**
 * A CIDR such as `10.0.0.0/8`; undefined when it is none. Bits below the prefix are dropped, as the API server and the
 * kernel do; {@link hasHostBits} tells whether there were any.
 */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf("/");
  if (slash < 0) return undefined;
  const address = parseIp(text.slice(0, slash));
  const length = text.slice(slash + 1);
  if (address === undefined || !/^(0|[1-9]\d{0,2})$/.test(length)) return undefined;
  const prefixLength = Number(length);
  if (prefixLength > bitsOf(address.family)) return undefined;
  return { family: address.family, value: address.value & mask(address.family, prefixLength), prefixLength };
}

/** Whether a CIDR's text has bits below its prefix, as `10.0.0.1/8` has; false for what is no CIDR. */
export function hasHostBits(text: string): boolean {
  const cidr = parseCidr(text);
  return cidr !== undefined && parseIp(text.slice(0, text.indexOf("/")))?.value !== cidr.value;
}

/** Canonical text. */
export function formatCidr(cidr: Cidr): string {
  return `${formatIp(cidr)}/${cidr.prefixLength}`;
}

/** Whether the address is in the network; of another family: false. */
export function cidrContains(cidr: Cidr, address: IpAddress): boolean {
  return cidr.family === address.family && (address.value & mask(cidr.family, cidr.prefixLength)) === cidr.value;
}

/** Whether all of `inner` is in `outer`; a network contains itself. */
export function cidrContainsCidr(outer: Cidr, inner: Cidr): boolean {
  return outer.prefixLength <= inner.prefixLength && cidrContains(outer, inner);
}

/** Whether the networks share an address. */
export function cidrsOverlap(a: Cidr, b: Cidr): boolean {
  return cidrContainsCidr(a, b) || cidrContainsCidr(b, a);
}

/** How many addresses the network has, the first and last included. */
export function cidrSize(cidr: Cidr): bigint {
  return 1n << BigInt(bitsOf(cidr.family) - cidr.prefixLength);
}

/** The address at an offset from the network's first (0 is the network's own); undefined past its end. */
export function nthAddress(cidr: Cidr, offset: number | bigint): IpAddress | undefined {
  const position = BigInt(offset);
  if (position < 0n || position >= cidrSize(cidr)) return undefined;
  return { family: cidr.family, value: cidr.value + position };
}

function bitsOf(family: 4 | 6): number {
  return family === 4 ? 32 : 128;
}

function mask(family: 4 | 6, prefixLength: number): bigint {
  const bits = bitsOf(family);
  return ((1n << BigInt(prefixLength)) - 1n) << BigInt(bits - prefixLength);
}

function parseIpv6(text: string): bigint | undefined {
  if (text.length > 45 || !/^[0-9a-fA-F:.]+$/.test(text)) return undefined;
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] as string, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] as string, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  // RFC 4291 2.2: "::" stands for one or more groups of zeros.
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array.from({ length: missing }, () => 0), ...tail];
  return groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n);
}

function parseGroups(text: string, mayEndInIpv4: boolean): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (mayEndInIpv4 && index === parts.length - 1 && part.includes(".")) {
      const ipv4 = parseIpv4(part);
      if (ipv4 === undefined) return undefined;
      groups.push(Math.floor(ipv4 / 65_536), ipv4 % 65_536);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else return undefined;
  }
  return groups;
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups (the first of equals) as "::". */
function formatIpv6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) => Number((value >> BigInt(16 * (7 - index))) & 0xffffn));
  let bestStart = -1;
  let bestLength = 1;
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && groups[end] === 0) end++;
    if (end - start > bestLength) [bestStart, bestLength] = [start, end - start];
  }
  const hex = groups.map((group) => group.toString(16));
  if (bestStart < 0) return hex.join(":");
  return `${hex.slice(0, bestStart).join(":")}::${hex.slice(bestStart + bestLength).join(":")}`;
}
