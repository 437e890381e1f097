import { formatIpBytes } from "../../../core/ip.ts";
import type { DropProof } from "../../../grade/types.ts";
import { NetlinkSocket } from "../../../kernel/netlink-socket.ts";
import { NETLINK_NETFILTER, readSetElements } from "../../../kernel/nft-set.ts";
import type { NetworkNamespace } from "../../../kernel/namespace.ts";

/** An nftables set that a rule fills with the flows it drops or rejects: saddr . daddr . l4proto [. sport . dport]. */
export interface EvidenceSet {
  family: "inet" | "ip" | "ip6";
  table: string;
  set: string;
  direction: DropProof["direction"];
  /** The rule answers: who sent the packet is told, if not at once, then when it is sent again. */
  isAnswered?: boolean;
}

export interface EvidenceNode {
  node: string;
  netnsFd: number;
}

const PROTOCOLS = { 6: "tcp", 17: "udp", 1: "icmp", 58: "icmp" } as const;

const PORTS_BYTES = 12;

function isKnownProtocol(number: number): number is keyof typeof PROTOCOLS {
  return number in PROTOCOLS;
}

/** Keys are source and destination, of 4 or 16 bytes each, and for flows with ports the protocol and both ports, of 4 bytes each. */
export function decode(key: Buffer, node: string, direction: DropProof["direction"]): DropProof | undefined {
  const hasPorts = key.length === 2 * 4 + PORTS_BYTES || key.length === 2 * 16 + PORTS_BYTES;
  const length = (key.length - (hasPorts ? PORTS_BYTES : 0)) / 2;
  const number = hasPorts ? (key[2 * length] ?? 0) : 1;
  if (!isKnownProtocol(number)) return undefined;
  const proof: DropProof = {
    node,
    direction,
    source: formatIpBytes(key.subarray(0, length)),
    destination: formatIpBytes(key.subarray(length, 2 * length)),
    protocol: PROTOCOLS[number],
  };
  if (!hasPorts) return proof;
  return {
    ...proof,
    sourcePort: key.readUInt16BE(2 * length + 4),
    destinationPort: key.readUInt16BE(2 * length + 8),
  };
}

/** A flow that a rule dropped or rejected. */
export interface DropRecord {
  proof: DropProof;
  /** Of the set's element: the same flow through the same rule has one. */
  id: string;
  /** When it will be forgotten, in performance.now() milliseconds: each further packet that is dropped puts that off. */
  kept: { atLeastMs: number; atMostMs: number };
}

/** The kernel's clock ticks every 10 ms at the least (CONFIG_HZ), and the two readings that are compared are each rounded by it. */
const TICKS_MS = 20;

/**
 * Whether a record is of a packet that was dropped after `before` was read: there was none, or it is kept for longer than then. A flow
 * of seconds ago may have had the same ends and ports.
 */
export function isSince({ id, kept }: DropRecord, before: ReadonlyMap<string, DropRecord>): boolean {
  const earlier = before.get(id);
  return earlier === undefined || kept.atLeastMs > earlier.kept.atMostMs + TICKS_MS;
}

/** Reads what the rules of the lab's nodes have recorded; one netlink socket a node, opened on the calling thread. */
export class EvidenceReader {
  private readonly nodes: { node: string; socket: NetlinkSocket }[];
  private readonly sets: readonly EvidenceSet[];

  constructor(nodes: readonly { node: string; namespace: NetworkNamespace }[], sets: readonly EvidenceSet[]) {
    this.sets = sets;
    this.nodes = nodes.map(({ node, namespace }) => ({
      node,
      socket: namespace.enter(() => new NetlinkSocket(NETLINK_NETFILTER)),
    }));
  }

  /** What all records tell, or those of packets that nobody answers. */
  read(which: "all" | "silent" = "all"): DropProof[] {
    return this.records(which).map(({ proof }) => proof);
  }

  /** All records, or those of packets that nobody answers. */
  records(which: "all" | "silent" = "all"): DropRecord[] {
    const records: DropRecord[] = [];
    for (const { node, socket } of this.nodes) {
      for (const { family, table, set, direction, isAnswered } of this.sets) {
        if (which === "silent" && isAnswered === true) continue;
        const askedMs = performance.now();
        const elements = readSetElements(socket, family, table, set);
        const toldMs = performance.now();
        for (const { key, expiresMs = 0 } of elements) {
          const proof = decode(key, node, direction);
          if (proof === undefined) continue;
          const id = `${node} ${table} ${set} ${key.toString("latin1")}`;
          records.push({ proof, id, kept: { atLeastMs: askedMs + expiresMs, atMostMs: toldMs + expiresMs } });
        }
      }
    }
    return records;
  }

  close(): void {
    for (const { socket } of this.nodes) socket.close();
  }
}

/** Identifies one flow by its own end, which no other live flow shares. */
export function flowKey(protocol: string, source: string, sourcePort: number | undefined): string {
  return `${protocol} ${source}:${sourcePort ?? ""}`;
}
