import { createHash } from "node:crypto";
import { LabError } from "../../core/errors.ts";
import { formatAddress, formatNetwork, parseAddress, parseNetwork } from "../ipv4.ts";
import type { CniIpam } from "../types.ts";

/** Calico's default IPPool blockSize for IPv4: blocks of 64 addresses. */
const BLOCK_PREFIX_LENGTH = 26;
const BLOCK_SIZE = 2 ** (32 - BLOCK_PREFIX_LENGTH);

interface Block {
  base: number;
  /** Free offsets in the order they will be given: Calico appends a released one at the end. */
  free: number[];
}

/** Where a node begins its walk over the blocks. */
function firstIndex(node: string, count: number): number {
  return createHash("sha1").update(node).digest().readUInt32BE(0) % count;
}

/**
 * Calico IPAM: blocks with affinity to a node, further ones when the node's are full. A node begins its search for a
 * block at a place drawn from its name, so blocks do not follow the order of the nodes (Calico seeds Go's random
 * generator with the name's FNV hash, so the place itself differs). Nodes take their first block at once. Blocks are kept
 * when they fall empty, and addresses are never borrowed from another node's block. `release` of a free address does
 * nothing.
 */
export class CalicoIpam implements CniIpam {
  private readonly blocks = new Map<string, Block[]>();
  private readonly claimed = new Set<number>();
  private readonly podCidr: string;
  private readonly hasTunnelAddress: boolean;

  constructor(nodes: readonly string[], podCidr: string, hasTunnelAddress: boolean) {
    this.podCidr = podCidr;
    this.hasTunnelAddress = hasTunnelAddress;
    for (const node of nodes) this.claim(node);
  }

  private claim(node: string): Block {
    const pool = parseNetwork(this.podCidr);
    const count = Math.floor(pool.size / BLOCK_SIZE);
    if (this.claimed.size >= count) {
      throw new LabError(
        "IPAM_EXHAUSTED",
        `pod network ${this.podCidr} has no /${BLOCK_PREFIX_LENGTH} block left for node ${node}`,
        {
          hint: "use a shorter prefix for the pod CIDR",
        },
      );
    }
    let index = firstIndex(node, count);
    while (this.claimed.has(index)) index = (index + 1) % count;
    this.claimed.add(index);
    const block: Block = {
      base: pool.base + index * BLOCK_SIZE,
      free: Array.from({ length: BLOCK_SIZE }, (_, offset) => offset),
    };
    const owned = this.blocks.get(node) ?? [];
    if (owned.length === 0 && this.hasTunnelAddress) block.free.shift();
    this.blocks.set(node, [...owned, block]);
    return block;
  }

  assign(node: string): { address: string; addedCidr?: string } {
    const owned = (this.blocks.get(node) ?? []).find(({ free }) => free.length > 0);
    const block = owned ?? this.claim(node);
    const address = formatAddress(block.base + (block.free.shift() ?? 0));
    return owned === undefined ? { address, addedCidr: formatNetwork(block.base, BLOCK_PREFIX_LENGTH) } : { address };
  }

  release(node: string, address: string): void {
    const value = parseAddress(address);
    const block = this.blocks.get(node)?.find(({ base }) => value >= base && value < base + BLOCK_SIZE);
    if (block === undefined || block.free.includes(value - block.base)) return;
    block.free.push(value - block.base);
  }

  cidrs(node: string): string[] {
    return (this.blocks.get(node) ?? []).map(({ base }) => formatNetwork(base, BLOCK_PREFIX_LENGTH));
  }
}
