import { formatIpBytes } from "../../../core/ip.ts";
import { EVIDENCE_LASTS_MS } from "../../../engine/nft/evidence.ts";
import type { DropProof } from "../../../grade/types.ts";
import { NetlinkSocket } from "../../../kernel/netlink-socket.ts";
import { NETLINK_NETFILTER, eachSetElement } from "../../../kernel/nft-set.ts";
import type { NetworkNamespace } from "../../../kernel/namespace.ts";

/** An nftables set that a rule fills with the flows it drops or rejects: saddr . daddr . l4proto [. sport . dport]. */
export interface EvidenceSet {
  family: "inet" | "ip" | "ip6";
  table: string;
  set: string;
  direction: DropProof["direction"];
  /** The rule answers: who sent the packet is told, if not at once, then when it is sent again. */
  isAnswered?: boolean;
  /** Of packets without ports. */
  isPortless?: boolean;
}

export interface EvidenceNode {
  node: string;
  netnsFd: number;
}

const PROTOCOLS = { 6: "tcp", 17: "udp", 1: "icmp", 58: "icmp" } as const;

const PORTS_BYTES = 12;
/** Of a key with ports: the source's stands before the destination's, each padded to four bytes. */
const SOURCE_PORT_FROM_END = 8;

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

/** The kernel's clock ticks every 10 ms at the least (CONFIG_HZ), and the two readings that are compared are each rounded by it. */
const TICKS_MS = 20;

/**
 * Whether a record that is forgotten in `expiresMs` may be of a packet that was dropped since a moment, both in performance.now()
 * milliseconds: each further packet puts that off. It may be of one that was dropped a tick earlier, too.
 */
export function isSince(readMs: number, expiresMs: number, sinceMs: number): boolean {
  return readMs + expiresMs - EVIDENCE_LASTS_MS + TICKS_MS >= sinceMs;
}

/** Is given the number of the node's set, the key's place in a buffer that is not kept, and what decodes a key. */
type TakeRecord = (
  at: number,
  buffer: Buffer,
  start: number,
  end: number,
  expiresMs: number,
  proofOf: (key: Buffer) => DropProof | undefined,
) => void;

function keyOf(at: number, buffer: Buffer, start: number, end: number): string {
  return `${at} ${buffer.toString("latin1", start, end)}`;
}

/** Reads what the rules of the lab's nodes have recorded; one netlink socket a node, opened on the calling thread. */
export class EvidenceReader {
  private readonly nodes: { node: string; socket: NetlinkSocket }[];
  private readonly sets: readonly EvidenceSet[];
  /** Keys of records that are of no later packet. */
  private readonly earlier = new Set<string>();

  constructor(nodes: readonly { node: string; namespace: NetworkNamespace }[], sets: readonly EvidenceSet[]) {
    this.sets = sets;
    this.nodes = nodes.map(({ node, namespace }) => ({
      node,
      socket: namespace.enter(() => new NetlinkSocket(NETLINK_NETFILTER)),
    }));
  }

  /** What all records tell. */
  read(): DropProof[] {
    const proofs: DropProof[] = [];
    const isWanted = (): boolean => true;
    this.each(isWanted, (_at, buffer, start, end, _expiresMs, proofOf) => {
      const proof = proofOf(buffer.subarray(start, end));
      if (proof !== undefined) proofs.push(proof);
    });
    return proofs;
  }

  /** Passes over, from now on, what was recorded by now and {@link isSince} cannot tell from later ones: flows ended just now. */
  passOverRecent(sinceMs: number): void {
    this.eachFlow("all", (at, buffer, start, end, expiresMs) => {
      if (isSince(performance.now(), expiresMs, sinceMs)) this.earlier.add(keyOf(at, buffer, start, end));
    });
  }

  /**
   * What records tell of packets from these source ports that were dropped since a moment ({@link isSince}): of all that were, or of those
   * that nobody answers. Others are passed over unread: records of ten seconds may be tens of thousands.
   */
  since(sinceMs: number, ports: ReadonlySet<number>, which: "all" | "silent"): DropProof[] {
    const proofs: DropProof[] = [];
    this.eachFlow(which, (at, buffer, start, end, expiresMs, proofOf) => {
      if (!ports.has(buffer.readUInt16BE(end - SOURCE_PORT_FROM_END))) return;
      if (!isSince(performance.now(), expiresMs, sinceMs)) return;
      if (this.earlier.size > 0 && this.earlier.has(keyOf(at, buffer, start, end))) return;
      const proof = proofOf(buffer.subarray(start, end));
      if (proof !== undefined) proofs.push(proof);
    });
    return proofs;
  }

  private eachFlow(which: "all" | "silent", take: TakeRecord): void {
    const isWanted = ({ isPortless, isAnswered }: EvidenceSet): boolean =>
      isPortless !== true && (which === "all" || isAnswered !== true);
    this.each(isWanted, take);
  }

  private each(isWanted: (set: EvidenceSet) => boolean, take: TakeRecord): void {
    for (const [at, { node, socket }] of this.nodes.entries()) {
      for (const [index, wanted] of this.sets.entries()) {
        if (!isWanted(wanted)) continue;
        const { family, table, set, direction } = wanted;
        const proofOf = (key: Buffer): DropProof | undefined => decode(key, node, direction);
        eachSetElement(socket, family, table, set, (buffer, start, end, expiresMs) =>
          take(at * this.sets.length + index, buffer, start, end, expiresMs, proofOf),
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
