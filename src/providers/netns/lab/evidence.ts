import type { DropProof } from "../../../grade/types.ts";
import { NetlinkSocket } from "../../../kernel/netlink-socket.ts";
import { NETLINK_NETFILTER, readSetKeys } from "../../../kernel/nft-set.ts";
import type { NetworkNamespace } from "../../../kernel/namespace.ts";

/** An nftables set that a rule fills with the flows it drops or rejects: saddr . daddr . l4proto [. sport . dport]. */
export interface EvidenceSet {
  family: "inet" | "ip";
  table: string;
  set: string;
  direction: DropProof["direction"];
}

export interface EvidenceNode {
  node: string;
  netnsFd: number;
}

const PROTOCOLS = { 6: "tcp", 17: "udp", 1: "icmp" } as const;

function isKnownProtocol(number: number): number is keyof typeof PROTOCOLS {
  return number in PROTOCOLS;
}

function dotted(key: Buffer, at: number): string {
  return `${key[at]}.${key[at + 1]}.${key[at + 2]}.${key[at + 3]}`;
}

function decode(key: Buffer, node: string, direction: DropProof["direction"]): DropProof | undefined {
  const number = key.length > 8 ? (key[8] ?? 0) : 1;
  if (!isKnownProtocol(number)) return undefined;
  const proof: DropProof = {
    node,
    direction,
    source: dotted(key, 0),
    destination: dotted(key, 4),
    protocol: PROTOCOLS[number],
  };
  if (key.length < 20) return proof;
  return { ...proof, sourcePort: key.readUInt16BE(12), destinationPort: key.readUInt16BE(16) };
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

  read(): DropProof[] {
    const proofs: DropProof[] = [];
    for (const { node, socket } of this.nodes) {
      for (const { family, table, set, direction } of this.sets) {
        for (const key of readSetKeys(socket, family, table, set)) {
          const proof = decode(key, node, direction);
          if (proof !== undefined) proofs.push(proof);
        }
      }
    }
    return proofs;
  }

  close(): void {
    for (const { socket } of this.nodes) socket.close();
  }
}

/** Identifies one flow by its own end, which no other live flow shares. */
export function flowKey(protocol: string, source: string, sourcePort: number | undefined): string {
  return `${protocol} ${source}:${sourcePort ?? ""}`;
}
