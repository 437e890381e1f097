import { relative } from "node:path";

/** A path as messages show it: relative where it is below the working folder. */
export function shownPath(path: string): string {
  const fromHere = relative(".", path);
  return fromHere.startsWith("..") ? path : fromHere;
}
