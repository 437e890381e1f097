import { cidrContainsCidr, parseCidr, type Cidr } from "../../../core/ip.ts";

/**
 * Whether a route of a routing daemon is in `others`, or one of its that goes the same way and covers it or is covered by it. BIRD
 * announces a node's pods one by one until the node's block is known, then the block: how far it is when we look is chance.
 */
export function isRoutedAlike(fact: string, others: readonly string[]): boolean {
  const route = daemonRoute(fact);
  if (route === undefined) return false;
  return others.some((other) => {
    const found = daemonRoute(other);
    if (found === undefined || found.way !== route.way) return false;
    return cidrContainsCidr(found.to, route.to) || cidrContainsCidr(route.to, found.to);
  });
}

/** `route TO via … proto bird`, or `route6 …`, as ip-route(8) prints it: a host's address has no prefix length. */
function daemonRoute(fact: string): { to: Cidr; way: string } | undefined {
  const [, to = "", way = ""] = /^route6? (\S+) (via .*\bproto bird\b.*)$/.exec(fact) ?? [];
  const cidr = parseCidr(to.includes("/") ? to : `${to}/${to.includes(":") ? 128 : 32}`);
  return cidr === undefined ? undefined : { to: cidr, way };
}
