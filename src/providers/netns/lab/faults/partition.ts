import type { FaultOf } from "../../../fault.ts";
import type { FaultParts, Mend } from "./types.ts";

const TABLE = "bridge partition";

/**
 * The fabric marks what comes from each group's links, also what it routes to another network, and drops what would leave
 * by another group's link.
 */
export function partition({ underlay, fabricRules }: FaultParts, { groups }: FaultOf<"partition">): Mend {
  const sides = groups.map((group, index) => ({
    mark: index + 1,
    ports: group
      .flatMap((name) => [...underlay.node(name).ports.values()])
      .map((port) => `"${port}"`)
      .join(", "),
  }));
  const entering = sides.map(({ mark, ports }) => `    iifname { ${ports} } meta mark set ${mark}`);
  const leaving = sides.map(({ mark, ports }) => `    oifname { ${ports} } meta mark != { 0, ${mark} } drop`);
  fabricRules().apply(`table ${TABLE} {
  chain entering {
    type filter hook prerouting priority -300; policy accept;
${entering.join("\n")}
  }
  chain leaving {
    type filter hook postrouting priority 300; policy accept;
${leaving.join("\n")}
  }
}
`);
  return () => fabricRules().apply(`delete table ${TABLE}\n`);
}
