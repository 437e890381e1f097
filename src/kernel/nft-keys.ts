import { parseIp } from "../core/ip.ts";

/** The number of a family's constant NFPROTO_ (linux/netfilter.h). */
export const NFPROTO = { inet: 1, ip: 2, ip6: 10 } as const;
export type NftFamily = keyof typeof NFPROTO;

/** Thrown inside the encoder for what it does not know; never mis-encoded. */
export class NotEncodable extends Error {}

export const TRANSPORT = { tcp: 6, udp: 17, sctp: 132, icmp: 1, icmpv6: 58 } as const;
/** Names of libnftables (src/proto.c), of RFC 4861, 2710 and 3810. */
const ICMPV6_TYPES: Readonly<Record<string, number>> = {
  "mld-listener-report": 131,
  "nd-router-solicit": 133,
  "nd-neighbor-solicit": 135,
  "nd-neighbor-advert": 136,
  "mld2-listener-report": 143,
};
const INTERFACE_BYTES = 16;

/** A data type of nft(8): its number in libnftables (include/datatype.h), which listings go by, its bytes and their order. */
export interface DataType {
  number: number;
  bytes: number;
  byteOrder: "host" | "network";
  parse(text: string): Buffer;
}

function integer(text: string, most: number): number {
  if (!/^\d{1,10}$/.test(text) || Number(text) > most) throw new NotEncodable(`the number ${text}`);
  return Number(text);
}

function named(names: Readonly<Record<string, number>>, text: string): Buffer {
  const number = Object.hasOwn(names, text) ? names[text] : undefined;
  if (number === undefined) throw new NotEncodable(`the name ${text}`);
  return Buffer.of(number);
}

/** The bytes of an address without a prefix length. */
export function addressOf(text: string): Buffer {
  const address = parseIp(text);
  if (address === undefined) throw new NotEncodable(`the address ${text}`);
  return ofBigint(address.value, address.family === 4 ? 4 : 16);
}

function addressOfFamily(text: string, bytes: number): Buffer {
  const address = addressOf(text);
  if (address.length !== bytes) throw new NotEncodable(`the address ${text}`);
  return address;
}

function portBytes(text: string): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(integer(text, 65_535));
  return bytes;
}

function hostInteger(text: string): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(integer(text, 0xffff_ffff));
  return bytes;
}

function interfaceName(text: string): Buffer {
  const name = /^"([A-Za-z0-9._-]{1,15})"$/.exec(text)?.[1];
  if (name === undefined) throw new NotEncodable(`the interface ${text}`);
  const bytes = Buffer.alloc(INTERFACE_BYTES);
  bytes.write(name, "latin1");
  return bytes;
}

export const TYPES = {
  integer: { number: 4, bytes: 4, byteOrder: "host", parse: hostInteger },
  ipv4_addr: { number: 7, bytes: 4, byteOrder: "network", parse: (text) => addressOfFamily(text, 4) },
  ipv6_addr: { number: 8, bytes: 16, byteOrder: "network", parse: (text) => addressOfFamily(text, 16) },
  inet_proto: { number: 12, bytes: 1, byteOrder: "network", parse: (text) => named(TRANSPORT, text) },
  inet_service: { number: 13, bytes: 2, byteOrder: "network", parse: portBytes },
  icmpv6_type: { number: 29, bytes: 1, byteOrder: "network", parse: (text) => named(ICMPV6_TYPES, text) },
  ifname: { number: 41, bytes: INTERFACE_BYTES, byteOrder: "host", parse: interfaceName },
} as const satisfies Record<string, DataType>;

/** A concatenation's fields, each padded to four bytes; one field stays as it is. */
export function keyOf(types: readonly DataType[], text: string): Buffer {
  const fields = text.split(" . ");
  if (fields.length !== types.length) throw new NotEncodable(`the key ${text}`);
  const parsed = types.map((type, index) => type.parse(fields[index] ?? ""));
  return parsed.length === 1 && parsed[0] !== undefined ? parsed[0] : Buffer.concat(parsed.map(padded));
}

function padded(bytes: Buffer): Buffer {
  const rest = bytes.length & 3;
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(4 - rest)]);
}

/** What a key of these types has in the kernel: its number (six bits a field) and length. */
export function keyShape(types: readonly DataType[]): { number: number; bytes: number } {
  const [only] = types;
  if (types.length === 1 && only !== undefined) return { number: only.number, bytes: only.bytes };
  return {
    number: types.reduce((number, type) => number * 64 + type.number, 0) % 2 ** 32,
    bytes: types.reduce((sum, { bytes }) => sum + ((bytes + 3) & ~3), 0),
  };
}

export interface KeyRange {
  first: Buffer;
  /** Inclusive. */
  last: Buffer;
}

function bigint(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString("hex")}`);
}

function ofBigint(value: bigint, bytes: number): Buffer {
  if (bytes > 4) return Buffer.from(value.toString(16).padStart(bytes * 2, "0"), "hex");
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(Number(value), 0, bytes);
  return buffer;
}

/** An element of a set with intervals: a value, a prefix or a range. */
export function rangeOf(type: DataType, text: string): KeyRange {
  const [prefix = "", length] = text.split("/");
  if (length !== undefined) {
    const bits = type.bytes * 8;
    const hostBits = BigInt(bits - integer(length, bits));
    const start = (bigint(type.parse(prefix)) >> hostBits) << hostBits;
    return { first: ofBigint(start, type.bytes), last: ofBigint(start + (1n << hostBits) - 1n, type.bytes) };
  }
  const [from = "", to = from] = text.split("-");
  const range = { first: type.parse(from), last: type.parse(to) };
  if (bigint(range.last) < bigint(range.first)) throw new NotEncodable(`the range ${text}`);
  return range;
}

/**
 * The elements of a set with intervals as the kernel's tree has them: where each begins, and behind it where it ends (exclusive),
 * but for one that lasts to the highest key. The beginning of all keys ends an interval before it, as libnftables writes it.
 */
export function intervalElements(type: DataType, texts: readonly string[]): { key: Buffer; isEnd: boolean }[] {
  const ranges = texts
    .map((text) => rangeOf(type, text))
    .map(({ first, last }) => ({ first: bigint(first), last: bigint(last) }))
    .toSorted((a, b) => (a.first < b.first ? -1 : 1));
  const elements: { key: Buffer; isEnd: boolean }[] = [];
  const highest = (1n << BigInt(type.bytes * 8)) - 1n;
  let end = -1n;
  for (const { first, last } of ranges) {
    // Neighbours would have to be one, as an end and a beginning of the same key.
    if (first <= end) throw new NotEncodable("intervals that touch");
    if (elements.length === 0 && first > 0n) elements.push({ key: ofBigint(0n, type.bytes), isEnd: true });
    elements.push({ key: ofBigint(first, type.bytes), isEnd: false });
    end = last + 1n;
    if (last < highest) elements.push({ key: ofBigint(end, type.bytes), isEnd: true });
  }
  return elements;
}
