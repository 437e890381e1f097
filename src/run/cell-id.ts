import type { CellKey } from "../grade/types.ts";

/** Tells a probe's cells apart: only `to` may have any character, and stands last. */
export function cellId({ from, to, port, protocol }: CellKey): string {
  return `${from}\n${port ?? ""}\n${protocol ?? ""}\n${to}`;
}
