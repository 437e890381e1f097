import { NotEncodable, TRANSPORT, TYPES } from "./nft-keys.ts";
import type { DataType } from "./nft-keys.ts";
import { bitmask, compare, expression, LOADED_REGISTER } from "./nft-expressions.ts";
import type { NftWriter } from "./nft-writer.ts";

/* linux/netfilter/nf_tables.h */
const PAYLOAD = { dreg: 1, base: 2, offset: 3, length: 4 } as const;
const META = { dreg: 1, key: 2 } as const;
const CT = { dreg: 1, key: 2 } as const;
const CT_STATE_KEY = 0;
const NETWORK_HEADER = 1;
const TRANSPORT_HEADER = 2;
const REG32_00 = 8;

/** What of a packet is compared. */
export interface Selector {
  type: DataType;
  source: { header: number; offset: number } | { meta: number };
  /** The family and the protocol that the packet must be of. */
  network?: "ip" | "ip6";
  transport?: number;
}

function field(type: DataType, offset: number, network: "ip" | "ip6"): Selector {
  return { type, source: { header: NETWORK_HEADER, offset }, network };
}

function port(offset: number, transport?: number): Selector {
  const selector = { type: TYPES.inet_service, source: { header: TRANSPORT_HEADER, offset } };
  return transport === undefined ? selector : { ...selector, transport };
}

export const SELECTORS = {
  "ip saddr": field(TYPES.ipv4_addr, 12, "ip"),
  "ip daddr": field(TYPES.ipv4_addr, 16, "ip"),
  "ip6 saddr": field(TYPES.ipv6_addr, 8, "ip6"),
  "ip6 daddr": field(TYPES.ipv6_addr, 24, "ip6"),
  "meta nfproto": { type: TYPES.inet_proto, source: { meta: 15 } },
  "meta l4proto": { type: TYPES.inet_proto, source: { meta: 16 } },
  iifname: { type: TYPES.ifname, source: { meta: 6 } },
  oifname: { type: TYPES.ifname, source: { meta: 7 } },
  "th sport": port(0),
  "th dport": port(2),
  "tcp dport": port(2, TRANSPORT.tcp),
  "udp dport": port(2, TRANSPORT.udp),
  "sctp dport": port(2, TRANSPORT.sctp),
  "icmpv6 type": {
    type: TYPES.icmpv6_type,
    source: { header: TRANSPORT_HEADER, offset: 0 },
    network: "ip6",
    transport: TRANSPORT.icmpv6,
  },
} as const satisfies Record<string, Selector>;

/** Loads the fields side by side into the registers from the first on; of a single one `bytes` may be fewer than it has. */
export function loads(writer: NftWriter, selectors: readonly Selector[], bytes?: number): void {
  let slot = 0;
  for (const { type, source } of selectors) {
    const register = slot === 0 ? LOADED_REGISTER : REG32_00 + slot;
    slot += (type.bytes + 3) >> 2;
    if ("meta" in source) {
      expression(writer, "meta", () => writer.u32(META.key, source.meta).u32(META.dreg, register));
    } else {
      expression(writer, "payload", () => {
        writer.u32(PAYLOAD.dreg, register).u32(PAYLOAD.base, source.header);
        writer.u32(PAYLOAD.offset, source.offset).u32(PAYLOAD.length, bytes ?? type.bytes);
      });
    }
  }
}

const STATES: Readonly<Record<string, number>> = { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 };

/** Whether the connection is in one of these states. */
export function conntrackState(writer: NftWriter, names: readonly string[]): void {
  let mask = 0;
  for (const name of names) {
    const bit = Object.hasOwn(STATES, name) ? STATES[name] : undefined;
    if (bit === undefined) throw new NotEncodable(`the connection state ${name}`);
    mask |= bit;
  }
  expression(writer, "ct", () => writer.u32(CT.key, CT_STATE_KEY).u32(CT.dreg, LOADED_REGISTER));
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(mask);
  bitmask(writer, bytes);
  compare(writer, "neq", Buffer.alloc(4));
}
