/** ICMPv6 types of neighbour discovery (RFC 4861, sections 4.3 and 4.4). */
export const NEIGHBOUR_SOLICITATION = 135;
const NEIGHBOUR_ADVERTISEMENT = 136;
/** Type, code, checksum, flags or reserved, target; options follow. */
const TARGET = 8;
const HEADER_BYTES = 24;
const OPTION = { sourceAddress: 1, targetAddress: 2 } as const;
/** Options count their length in these. */
const OPTION_UNIT = 8;
const FLAG = { solicited: 0x40, override: 0x20 } as const;
const MULTICAST = 0xff;

/** All nodes of a link, ff02::1 (RFC 4291, section 2.7.1). */
export const ALL_NODES = Buffer.from("ff020000000000000000000000000001", "hex");
const SOLICITED_NODE = Buffer.from("ff0200000000000000000001ff", "hex");

/** The group that whoever looks for this IPv6 address asks, by its last 24 bits (RFC 4291, section 2.7.1); 16 bytes each. */
export function solicitedNodeGroup(address: Uint8Array): Buffer {
  return Buffer.concat([SOLICITED_NODE, address.subarray(13, 16)]);
}

/**
 * The address, 16 bytes, that a neighbour solicitation asks for; undefined where the ICMPv6 message is none, or not valid (RFC 4861, section
 * 7.1.1), or does not say who asks, as those of duplicate address detection do not: MetalLB's speaker answers none of these.
 */
export function solicitedAddress(message: Uint8Array): Uint8Array | undefined {
  if (message.length < HEADER_BYTES || message[0] !== NEIGHBOUR_SOLICITATION || message[1] !== 0) return undefined;
  const target = message.slice(TARGET, HEADER_BYTES);
  if (target[0] === MULTICAST) return undefined;
  let hasAsker = false;
  for (let at = HEADER_BYTES; at < message.length;) {
    const length = (message[at + 1] ?? 0) * OPTION_UNIT;
    if (length === 0 || at + length > message.length) return undefined;
    hasAsker ||= message[at] === OPTION.sourceAddress;
    at += length;
  }
  return hasAsker ? target : undefined;
}

/**
 * The ICMPv6 message that says that `lladdr` (six bytes) has the address `target` (sixteen): with the flag Solicited, as an answer, or, unasked, with Override,
 * so that who knew it elsewhere believes this one (RFC 4861, sections 4.4 and 7.2.6). The kernel fills in the checksum.
 */
export function neighbourAdvertisement(target: Uint8Array, lladdr: Uint8Array, isAnswer: boolean): Buffer {
  const head = Buffer.from([NEIGHBOUR_ADVERTISEMENT, 0, 0, 0, isAnswer ? FLAG.solicited : FLAG.override, 0, 0, 0]);
  return Buffer.concat([head, target, Buffer.from([OPTION.targetAddress, 1]), lladdr]);
}
