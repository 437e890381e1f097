import { isIPv4, isIPv6 } from "node:net";
import { Address4, Address6 } from "ip-address";

/** An address as a number, with its family. */
export interface NumericAddress {
  family: 4 | 6;
  value: bigint;
}

/** A CIDR block; `shift` is the number of host bits. */
export interface CidrBlock {
  family: 4 | 6;
  prefix: bigint;
  shift: bigint;
}

/** Undefined when the text is no IP literal. An IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2) stays IPv6. */
export function parseAddress(text: string): NumericAddress | undefined {
  if (isIPv4(text)) return { family: 4, value: new Address4(text).bigInt() };
  if (isIPv6(text) && !text.includes("%")) return { family: 6, value: new Address6(text).bigInt() };
  return undefined;
}

/** Undefined when the text is no CIDR (RFC 4632, RFC 4291); host bits that are set are ignored. */
export function parseCidr(text: string): CidrBlock | undefined {
  const [, addressText, lengthText] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  if (addressText === undefined || lengthText === undefined) return undefined;
  const address = parseAddress(addressText);
  if (address === undefined) return undefined;
  const bits = address.family === 4 ? 32 : 128;
  const length = Number(lengthText);
  if (length > bits) return undefined;
  const shift = BigInt(bits - length);
  return { family: address.family, prefix: address.value >> shift, shift };
}

/** Whether the block holds the address; never across families. */
export function blockHolds(block: CidrBlock, address: NumericAddress): boolean {
  return block.family === address.family && address.value >> block.shift === block.prefix;
}

/** Whether the block is the whole of its family (0.0.0.0/0 or ::/0). */
export function isWholeFamily(block: CidrBlock): boolean {
  return block.shift === (block.family === 4 ? 32n : 128n);
}
