import { cidrContains, cidrSize, parseIp } from "../core/ip.ts";
import type { CompiledPeer } from "./compile.ts";

type Block = CompiledPeer & { kind: "block" };

/**
 * Many ipBlocks of one family, asked together: which of them hold this address? Addresses between the same two bounds of
 * blocks are alike, so that each such stretch is worked out once.
 */
export class BlockIndex {
  readonly #family: 4 | 6;
  readonly #blocks: readonly (readonly [id: number, block: Block])[];
  /** Where a block or an exception begins, or ends (exclusive), ascending. */
  readonly #bounds: bigint[];
  readonly #held = new Map<number, readonly number[]>();

  /** Blocks with the numbers that {@link holding} answers with. Those of the other family hold nothing. */
  constructor(blocks: readonly (readonly [id: number, block: Block])[], family: 4 | 6) {
    this.#family = family;
    this.#blocks = blocks.filter(([, { block }]) => block.family === family);
    const bounds = this.#blocks.flatMap(([, { block, except }]) =>
      [block, ...except].flatMap((cidr) => [cidr.value, cidr.value + cidrSize(cidr)]),
    );
    this.#bounds = [...new Set(bounds)].toSorted((a, b) => (a < b ? -1 : 1));
  }

  /** Numbers of the blocks that hold the first address of the family; none for a text that is no address. */
  holding(addresses: readonly string[]): readonly number[] {
    if (this.#blocks.length === 0) return [];
    for (const text of addresses) {
      const address = parseIp(text);
      if (address?.family !== this.#family) continue;
      const stretch = this.#stretchOf(address.value);
      let held = this.#held.get(stretch);
      if (held === undefined) {
        held = this.#blocks
          .filter(
            ([, { block, except }]) =>
              cidrContains(block, address) && !except.some((each) => cidrContains(each, address)),
          )
          .map(([id]) => id);
        this.#held.set(stretch, held);
      }
      return held;
    }
    return [];
  }

  /** How many bounds are at or below the value. */
  #stretchOf(value: bigint): number {
    let low = 0;
    let high = this.#bounds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#bounds[middle] as bigint) <= value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
