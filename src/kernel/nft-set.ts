import { NLA_TYPE_MASK } from "./netlink-attributes.ts";
import { NetlinkMessage } from "./netlink-message.ts";
import { NetlinkError } from "./netlink-socket.ts";
import type { NetlinkSocket } from "./netlink-socket.ts";

/* linux/netfilter/nfnetlink.h, nf_tables.h */
export const NETLINK_NETFILTER = 12;
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_GETSETELEM = 13;
const NLM_F_REQUEST = 1;
const NLM_F_DUMP = 0x300;
const SET_ELEM_LIST_TABLE = 1;
const SET_ELEM_LIST_SET = 2;
const SET_ELEM_LIST_ELEMENTS = 3;
const LIST_ELEM = 1;
const SET_ELEM_KEY = 1;
const SET_ELEM_EXPIRATION = 5;
const DATA_VALUE = 1;
const FAMILY = { inet: 1, ip: 2, ip6: 10 } as const;
const ENOENT = 2;
/** Of an attribute: its length and its type, two bytes each (struct nlattr). */
const HEADER = 4;

/** An element of a set: its key as the kernel keeps it, concatenated fields, every one padded to four bytes. */
export interface SetElement {
  key: Buffer;
  /** Until it is forgotten; absent in a set without a timeout. Rounded by the kernel's clock, 10 ms at most. */
  expiresMs?: number;
}

/**
 * Is given an element's key at its place in a buffer, which it must not keep, and when the element is forgotten (0 in a set without a
 * timeout). Must not use a socket.
 */
export type TakeElement = (buffer: Buffer, start: number, end: number, expiresMs: number) => void;

/** The elements of an nftables set, as {@link eachSetElement} tells of them. */
export function readSetElements(
  socket: NetlinkSocket,
  family: keyof typeof FAMILY,
  table: string,
  set: string,
): SetElement[] {
  const found: SetElement[] = [];
  eachSetElement(socket, family, table, set, (buffer, start, end, expiresMs) => {
    const key = Buffer.from(buffer.subarray(start, end));
    found.push(expiresMs === 0 ? { key } : { key, expiresMs });
  });
  return found;
}

/**
 * Tells of each element of an nftables set; of none where table or set is absent. `socket` is a NETLINK_NETFILTER socket of the namespace.
 * Takes less than 1 µs an element, against about 10 for a `nft list set` parsed from JSON.
 */
export function eachSetElement(
  socket: NetlinkSocket,
  family: keyof typeof FAMILY,
  table: string,
  set: string,
  take: TakeElement,
): void {
  const message = new NetlinkMessage((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETSETELEM, NLM_F_REQUEST | NLM_F_DUMP);
  message
    .bytes(Uint8Array.of(FAMILY[family], 0, 0, 0))
    .text(SET_ELEM_LIST_TABLE, table)
    .text(SET_ELEM_LIST_SET, set);
  try {
    socket.eachAnswer(message, (_type, buffer, start, end) => elementsOf(buffer, start, end, take));
  } catch (error) {
    if (!(error instanceof NetlinkError && error.errno === ENOENT)) throw error;
  }
}

/** By offsets and without a buffer an attribute: thousands of elements are read again and again while a sweep waits. */
function elementsOf(buffer: Buffer, start: number, messageEnd: number, take: TakeElement): void {
  const list = attributeAt(buffer, start + 4, messageEnd, SET_ELEM_LIST_ELEMENTS);
  if (list < 0) return;
  const end = endOf(buffer, list, messageEnd);
  for (let at = list + HEADER; at + HEADER <= end; at += aligned(lengthAt(buffer, at))) {
    if (lengthAt(buffer, at) < HEADER) return;
    if (typeAt(buffer, at) !== LIST_ELEM) continue;
    const elementEnd = endOf(buffer, at, end);
    const key = attributeAt(buffer, at + HEADER, elementEnd, SET_ELEM_KEY);
    const value = key < 0 ? -1 : attributeAt(buffer, key + HEADER, endOf(buffer, key, elementEnd), DATA_VALUE);
    if (value < 0) continue;
    const expires = attributeAt(buffer, at + HEADER, elementEnd, SET_ELEM_EXPIRATION);
    const expiresMs = expires < 0 ? 0 : uint64(buffer, expires + HEADER);
    take(buffer, value + HEADER, endOf(buffer, value, elementEnd), expiresMs);
  }
}

/** Where the first attribute of a type begins, between two offsets; negative where there is none. */
function attributeAt(buffer: Buffer, from: number, end: number, type: number): number {
  for (let at = from; at + HEADER <= end; at += aligned(lengthAt(buffer, at))) {
    if (lengthAt(buffer, at) < HEADER) return -1;
    if (typeAt(buffer, at) === type) return at;
  }
  return -1;
}

function endOf(buffer: Buffer, at: number, limit: number): number {
  return Math.min(limit, at + lengthAt(buffer, at));
}

function lengthAt(buffer: Buffer, at: number): number {
  return (buffer[at] as number) | ((buffer[at + 1] as number) << 8);
}

function typeAt(buffer: Buffer, at: number): number {
  return ((buffer[at + 2] as number) | ((buffer[at + 3] as number) << 8)) & NLA_TYPE_MASK;
}

function aligned(length: number): number {
  return (length + 3) & ~3;
}

function uint64(buffer: Buffer, at: number): number {
  return buffer.readUInt32BE(at) * 2 ** 32 + buffer.readUInt32BE(at + 4);
}
