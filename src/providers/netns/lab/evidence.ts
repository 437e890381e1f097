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

/** When a record will be forgotten, in performance.now() milliseconds: each further packet that is dropped puts that off. */
export interface Kept {
  atLeastMs: number;
  atMostMs: number;
}

/** What was recorded at one moment: by set, by its elements' keys (latin1), how long each is kept. The same flow through the same rule has one. */
export type Snapshot = readonly ReadonlyMap<string, Kept>[];

/** The kernel's clock ticks every 10 ms at the least (CONFIG_HZ), and the two readings that are compared are each rounded by it. */
const TICKS_MS = 20;

/**
 * Whether a record is of a packet that was dropped after it was read `earlier`: it was not there, or it is kept for longer than then. A
 * flow of seconds ago may have had the same ends and ports.
 */
export function isSince(kept: Kept, earlier: Kept | undefined): boolean {
  return earlier === undefined || kept.atLeastMs > earlier.atMostMs + TICKS_MS;
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

  /** What all records tell. */
  read(): DropProof[] {
    return this.since([], "all");
  }

  /** What is recorded now, not looked at any closer. */
  snapshot(): Snapshot {
    const sets: Map<string, Kept>[] = [];
    this.each("all", (set, key, kept) => {
      (sets[set] ??= new Map<string, Kept>()).set(key.toString("latin1"), kept);
    });
    return sets;
  }

  /** What records tell that are of packets dropped since then; of all packets, or of those that nobody answers. */
  since(before: Snapshot, which: "all" | "silent"): DropProof[] {
    const proofs: DropProof[] = [];
    this.each(which, (set, key, kept, proofOf) => {
      if (!isSince(kept, before[set]?.get(key.toString("latin1")))) return;
      const proof = proofOf(key);
      if (proof !== undefined) proofs.push(proof);
    });
    return proofs;
  }

  private each(
    which: "all" | "silent",
    take: (set: number, key: Buffer, kept: Kept, proofOf: (key: Buffer) => DropProof | undefined) => void,
  ): void {
    for (const [at, { node, socket }] of this.nodes.entries()) {
      for (const [index, { family, table, set, direction, isAnswered }] of this.sets.entries()) {
        if (which === "silent" && isAnswered === true) continue;
        const proofOf = (key: Buffer): DropProof | undefined => decode(key, node, direction);
        const askedMs = performance.now();
        const elements = readSetElements(socket, family, table, set);
        const toldMs = performance.now();
        for (const { key, expiresMs = 0 } of elements)
          take(
            at * this.sets.length + index,
            key,
            { atLeastMs: askedMs + expiresMs, atMostMs: toldMs + expiresMs },
            proofOf,
          );
      }
    }
  }

  close(): void {
    for (const { socket } of this.nodes) socket.close();
  }
}

/** Identifies one flow by its own end, which no other live flow shares. */
export function flowKey(protocol: string, source: string, sourcePort: number | undefined): string {
  return `${protocol} ${source}:${sourcePort ?? ""}`;
}
