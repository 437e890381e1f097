import { cacheRoot } from "../../../supplies/cache-root.ts";
import { findAnsible } from "./find-ansible.ts";

let found: Promise<string> | undefined;

/** This host's ansible-playbook, by its PATH and cnilab's cache folder; looked for once a process. Rejects as {@link findAnsible}. */
export function hostAnsible(signal: AbortSignal): Promise<string> {
  if (found !== undefined) return found;
  const looking = findAnsible({ path: process.env["PATH"], cache: cacheRoot(process.env), signal });
  found = looking;
  // It may be installed before the next one asks.
  looking.catch(() => (found = undefined));
  return looking;
}
