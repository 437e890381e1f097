import type { CellKey } from "../grade/types.ts";

/** Tells a probe's cells apart. */
export function cellId({ from, to, port, protocol }: CellKey): string {
  return JSON.stringify([from, to, port, protocol]);
}
