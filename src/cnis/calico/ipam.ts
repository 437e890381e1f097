import { createHash } from "node:crypto";
import { LabError } from "../../core/errors.ts";
import {
  cidrContains,
  cidrSize,
  formatCidr,
  formatIp,
  nthAddress,
  parseCidr,
  parseIp,
  type Cidr,
} from "../../core/ip.ts";
import type { CniIpam } from "../types.ts";

/** Calico's default IPPool blockSize, by family: blocks of 64 addresses. */
const BLOCK_PREFIX_LENGTHS = { 4: 26, 6: 122 } as const;
const BLOCK_SIZE = 64;

interface Block {
  cidr: Cidr;
  /** Free offsets in the order they will be given: Calico appends a released one at the end. */
  free: number[];
}

/** Where a node begins its walk over the blocks. */
function firstIndex(node: string, count: bigint): bigint {
  return BigInt(createHash("sha1").update(node).digest().readUInt32BE(0)) % count;
}

/**
 * Calico IPAM: blocks with affinity to a node, further ones when the node's are full. A node begins its search for a
 * block at a place drawn from its name, so blocks do not follow the order of the nodes (Calico seeds Go's random
 * generator with the name's FNV hash, so the place itself differs). Nodes take their first block at once. Blocks are kept
 * when they fall empty, and addresses are never borrowed from another node's block. `release` of a free address does
 * nothing. The first `tunnelAddresses` of a node's first block are its tunnels' ends. Throws BAD_ADDRESS for a pod network that is no CIDR.
 */
export class CalicoIpam implements CniIpam {
  private readonly blocks = new Map<string, Block[]>();
  private readonly claimed = new Set<bigint>();
  private readonly pool: Cidr;
  private readonly tunnelAddresses: number;

  constructor(nodes: readonly string[], podCidr: string, tunnelAddresses: number) {
    const pool = parseCidr(podCidr);
    if (pool === undefined) throw new LabError("BAD_ADDRESS", `"${podCidr}" is not a CIDR`);
    this.pool = pool;
    this.tunnelAddresses = tunnelAddresses;
    for (const node of nodes) this.claim(node);
  }

  private claim(node: string): Block {
    const { pool } = this;
    const prefixLength = BLOCK_PREFIX_LENGTHS[pool.family];
    const count = cidrSize(pool) / BigInt(BLOCK_SIZE);
    if (BigInt(this.claimed.size) >= count) {
      throw new LabError(
        "IPAM_EXHAUSTED",
        `pod network ${formatCidr(pool)} has no /${prefixLength} block left for node ${node}`,
        {
          hint: "use a shorter prefix for the pod CIDR",
        },
      );
    }
    let index = firstIndex(node, count);
    while (this.claimed.has(index)) index = (index + 1n) % count;
    this.claimed.add(index);
    const block: Block = {
      cidr: { family: pool.family, value: pool.value + index * BigInt(BLOCK_SIZE), prefixLength },
      free: Array.from({ length: BLOCK_SIZE }, (_, offset) => offset),
    };
    const owned = this.blocks.get(node) ?? [];
    if (owned.length === 0) block.free.splice(0, this.tunnelAddresses);
    this.blocks.set(node, [...owned, block]);
    return block;
  }

  assign(node: string): { address: string; addedCidr?: string } {
    const owned = (this.blocks.get(node) ?? []).find(({ free }) => free.length > 0);
    const block = owned ?? this.claim(node);
    const found = nthAddress(block.cidr, block.free.shift() ?? 0);
    const address = found === undefined ? "" : formatIp(found);
    return owned === undefined ? { address, addedCidr: formatCidr(block.cidr) } : { address };
  }

  release(node: string, address: string): void {
    const parsed = parseIp(address);
    if (parsed === undefined) return;
    const block = this.blocks.get(node)?.find(({ cidr }) => cidrContains(cidr, parsed));
    if (block === undefined) return;
    const offset = Number(parsed.value - block.cidr.value);
    if (!block.free.includes(offset)) block.free.push(offset);
  }

  cidrs(node: string): string[] {
    return (this.blocks.get(node) ?? []).map(({ cidr }) => formatCidr(cidr));
  }
}
