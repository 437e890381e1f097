import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

function findRoot(): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) return folder;
    if (folder === dirname(folder)) throw new Error("cnilab's own package.json is missing");
  }
}

let root: string | undefined;

/** Path of a file or folder of this package, given from its root: built code has no place of its own to start from. */
export function installed(path: string): string {
  root ??= findRoot();
  return join(root, path);
}
