import { mkdirSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a folder and those above it; one that is there is no error. Not mkdir's own `recursive`: where a parent exists
 * and still answers ENOENT, as /proc does, Node 20 tries again without end.
 */
export function makeFolder(path: string, mode = 0o777): void {
  if (isMade(path, mode)) return;
  makeFolder(dirname(path), mode);
  if (!isMade(path, mode)) mkdirSync(path, { mode });
}

/** False where the folder above is missing. */
function isMade(path: string, mode: number): boolean {
  try {
    mkdirSync(path, { mode });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return true;
    if (code === "ENOENT" && dirname(path) !== path) return false;
    throw error;
  }
}
