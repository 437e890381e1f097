import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/**
 * Where cnilab keeps what it can fetch again: `$XDG_CACHE_HOME/cnilab`, by default `~/.cache/cnilab` (XDG Base Directory
 * Specification 0.8: a relative path in the variable is ignored).
 */
export function cacheRoot(env: Record<string, string | undefined>): string {
  const configured = env["XDG_CACHE_HOME"];
  const base =
    configured !== undefined && isAbsolute(configured) ? configured : join(env["HOME"] ?? homedir(), ".cache");
  return join(base, "cnilab");
}
