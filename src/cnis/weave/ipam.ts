import { LabError } from "../../core/errors.ts";
import { formatAddress, formatNetwork, parseAddress, parseNetwork } from "../ipv4.ts";
import type { CniIpam } from "../types.ts";

/** Addresses from `start` up to, not with, `end`. */
interface Range {
  start: number;
  end: number;
}

interface Peer {
  /** In the order the peer got them. */
  owned: Range[];
  used: Set<number>;
}

const size = ({ start, end }: Range): number => end - start;

/** The networks that a range is made of, in order: the largest that begins there and fits, and so on. */
function networksOf({ start, end }: Range): Range[] {
  const networks: Range[] = [];
  for (let at = start; at < end;) {
    let length = 1;
    while (at % (length * 2) === 0 && at + length * 2 <= end) length *= 2;
    networks.push({ start: at, end: at + length });
    at += length;
  }
  return networks;
}

/** The share of each of so many peers: halves of halves, cut where networks end (ring.subdivide in Weave's source). */
function subdivide(range: Range, peers: number): Range[] {
  if (peers <= 1 || size(range) <= 1) return [range];
  const middle = range.start + Math.floor(size(range) / 2);
  const first = Math.floor(peers / 2);
  return [...subdivide({ ...range, end: middle }, first), ...subdivide({ ...range, start: middle }, peers - first)];
}

/**
 * Weave's allocation: the peers share the pod network among themselves, and each gives out its lowest free address, so that one
 * that was given back is used again at once. Each node's first address is its bridge's. A peer without a free address is given
 * half of another's largest free network, at most half of what is free there (space.Donate). Two choices are random in Weave and
 * not here: the order of the peers is the nodes', and the peer with the most free addresses is asked. `release` of a free address
 * does nothing.
 */
export class WeaveIpam implements CniIpam {
  private readonly podCidr: string;
  private readonly peers = new Map<string, Peer>();

  constructor(nodes: readonly string[], podCidr: string) {
    this.podCidr = podCidr;
    const { base, size: count } = parseNetwork(podCidr);
    const shares = subdivide({ start: base, end: base + count }, nodes.length);
    for (const [index, node] of nodes.entries()) this.join(node, shares[index]);
  }

  /** With its bridge's address. A share of which no address can be used is none. */
  private join(node: string, share: Range | undefined): void {
    const peer: Peer = { owned: share === undefined ? [] : [share], used: new Set() };
    if (this.free(peer).length === 0) peer.owned = [];
    this.peers.set(node, peer);
    this.take(node, peer);
  }

  /** What the node could give out, lowest first. The network's first and last address are nobody's. */
  private free({ owned, used }: Peer): Range[] {
    const { base, size: count } = parseNetwork(this.podCidr);
    return owned
      .toSorted((a, b) => a.start - b.start)
      .flatMap((range) => {
        const end = Math.min(range.end, base + count - 1);
        const gaps: Range[] = [];
        let at = Math.max(range.start, base + 1);
        for (const taken of [...used].filter((address) => address >= at && address < end).toSorted((a, b) => a - b)) {
          if (taken > at) gaps.push({ start: at, end: taken });
          at = taken + 1;
        }
        return at < end ? [...gaps, { start: at, end }] : gaps;
      });
  }

  private take(node: string, peer: Peer): number {
    if (this.free(peer).length === 0) peer.owned.push(this.donation(node));
    const [lowest] = this.free(peer);
    if (lowest === undefined) throw new Error(`a donation to ${node} was empty`);
    peer.used.add(lowest.start);
    return lowest.start;
  }

  /** Takes from another peer what it gives away. Throws IPAM_EXHAUSTED. */
  private donation(node: string): Range {
    const [donor] = [...this.peers.values()]
      .map((peer) => ({ peer, chunks: this.free(peer) }))
      .map(({ peer, chunks }) => ({ peer, chunks, count: chunks.reduce((sum, chunk) => sum + size(chunk), 0) }))
      .toSorted((a, b) => b.count - a.count);
    // Of networks of one size the last one: what is given out next stays where it is.
    const largest = donor?.chunks
      .flatMap(networksOf)
      .reduce<Range | undefined>(
        (best, network) => (best === undefined || size(network) >= size(best) ? network : best),
        undefined,
      );
    if (donor === undefined || largest === undefined) {
      throw new LabError("IPAM_EXHAUSTED", `pod network ${this.podCidr} has no address left for node ${node}`, {
        hint: "use a shorter prefix for the pod CIDR",
      });
    }
    const given =
      size(largest) > donor.count / 2 ? { ...largest, start: largest.start + Math.floor(size(largest) / 2) } : largest;
    donor.peer.owned = donor.peer.owned.flatMap((range) =>
      given.start < range.start || given.start >= range.end
        ? [range]
        : [
            { start: range.start, end: given.start },
            { start: given.end, end: range.end },
          ].filter((rest) => size(rest) > 0),
    );
    return given;
  }

  assign(node: string): { address: string; addedCidr?: string } {
    if (!this.peers.has(node)) this.join(node, undefined);
    const peer = this.peers.get(node);
    if (peer === undefined) throw new Error(`node ${node} has not joined`);
    const before = this.cidrs(node).length;
    const address = formatAddress(this.take(node, peer));
    const added = this.cidrs(node).length > before ? this.cidrs(node).at(-1) : undefined;
    return added === undefined ? { address } : { address, addedCidr: added };
  }

  release(node: string, address: string): void {
    this.peers.get(node)?.used.delete(parseAddress(address));
  }

  cidrs(node: string): string[] {
    return (this.peers.get(node)?.owned ?? [])
      .flatMap(networksOf)
      .map((network) => formatNetwork(network.start, 32 - Math.log2(size(network))));
  }
}
