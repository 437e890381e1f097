import { existsSync, readFileSync } from "node:fs";

const LIMIT = "/proc/sys/net/netfilter/nf_conntrack_max";
/** An entry takes 256 to 320 bytes of kernel memory: 160 MiB. */
const MOST_ENTRIES = 524_288;

/**
 * net.netfilter.nf_conntrack_max: it holds in each network namespace by itself, and is set in the first one alone
 * (Linux, nf_conntrack_standalone.c). Undefined where the kernel has not loaded nf_conntrack yet.
 */
export function conntrackLimit(): number | undefined {
  return existsSync(LIMIT) ? Number(readFileSync(LIMIT, "utf8")) : undefined;
}

/** Why a node's table of connections cannot be filled where the host's limit is this; undefined where it can. */
export function conntrackRefusal(limit: number | undefined): string | undefined {
  if (limit === undefined || (limit > 0 && limit <= MOST_ENTRIES)) return undefined;
  const what = `net.netfilter.nf_conntrack_max is ${limit}${limit === 0 ? ", which is no limit" : ""}`;
  return `${what}: the fault conntrackFull fills a table of at most ${MOST_ENTRIES} entries`;
}
