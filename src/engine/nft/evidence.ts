import type { Family } from "./address-ranges.ts";
import { block } from "./block.ts";

/** A set of this family that lists flows with ports, and the one for ICMP, which has none. */
export function evidenceSetNames(name: string, family: Family): { flows: string; icmp: string } {
  const base = family === "ip" ? name : `${name}6`;
  return { flows: base, icmp: `${base}-icmp` };
}

/** How long a record is kept after the last packet that it tells of: longer than any probe waits. */
export const EVIDENCE_LASTS_MS = 10_000;

const ADDRESS_TYPE = { ip: "ipv4_addr", ip6: "ipv6_addr" } as const;
const ICMP = { ip: "icmp", ip6: "icmpv6" } as const;

/**
 * Declarations of the sets that record what a rule drops or rejects. Elements of the first are (source, destination,
 * protocol, source port, destination port), of the second (source, destination). The size is also the kernel's hint for the hash table: 65535 elements cost 7 ms a set to make, 16384
 * cost 0.4 ms, and a sweep has at most 8192 flows open.
 */
export function evidenceSets(name: string, families: readonly Family[]): string[] {
  return families.flatMap((family) => {
    const sets = evidenceSetNames(name, family);
    const address = ADDRESS_TYPE[family];
    const properties = `size 16384; flags dynamic,timeout; timeout ${EVIDENCE_LASTS_MS / 1000}s`;
    return [
      ...block(`set ${sets.flows}`, [
        `type ${address} . ${address} . inet_proto . inet_service . inet_service; ${properties}`,
      ]),
      ...block(`set ${sets.icmp}`, [`type ${address} . ${address}; ${properties}`]),
    ];
  });
}

/**
 * The rules that write to those sets. They stand apart from the drop or reject that follows them: an update that fails
 * because the set is full ends its rule, and a verdict in that rule would never be reached.
 */
export function evidenceRules(name: string, families: readonly Family[]): string[] {
  return families.flatMap((family) => {
    const sets = evidenceSetNames(name, family);
    const ends = `${family} saddr . ${family} daddr`;
    return [
      `meta l4proto { tcp, udp, sctp } update @${sets.flows} { ${ends} . meta l4proto . th sport . th dport }`,
      `meta l4proto ${ICMP[family]} update @${sets.icmp} { ${ends} }`,
    ];
  });
}
