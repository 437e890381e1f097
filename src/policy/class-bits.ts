/** Calls `act` with each set bit, ascending. */
export function forEachBit(bits: Uint32Array, act: (at: number) => void): void {
  for (let word = 0; word < bits.length; word++) {
    for (let left = bits[word] as number; left !== 0; left &= left - 1)
      act((word << 5) + 31 - Math.clz32(left & -left));
  }
}

/** Adds `bits`, of which only those of `mask` where there is one. */
export function orInto(row: Uint32Array, bits: Uint32Array | undefined, mask?: Uint32Array): void {
  if (bits === undefined) return;
  for (let word = 0; word < row.length; word++) {
    row[word] = (row[word] as number) | ((bits[word] as number) & (mask === undefined ? -1 : (mask[word] ?? 0)));
  }
}

/** Sets a bit. */
export function setBit(bits: Uint32Array, at: number): void {
  bits[at >> 5] = (bits[at >> 5] as number) | (1 << (at & 31));
}

/** Whether a bit is set. */
export function hasBit(bits: Uint32Array, at: number): boolean {
  return ((bits[at >> 5] as number) & (1 << (at & 31))) !== 0;
}

/** Keeps of `bits` only those of `mask`. */
export function andInto(bits: Uint32Array, mask: Uint32Array): void {
  for (let word = 0; word < bits.length; word++) bits[word] = (bits[word] as number) & (mask[word] as number);
}

/** Clears in `row` the bits of `bits`. */
export function clearFrom(row: Uint32Array, bits: Uint32Array): void {
  for (let word = 0; word < row.length; word++) row[word] = (row[word] as number) & ~(bits[word] as number);
}
