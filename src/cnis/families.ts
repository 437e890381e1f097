import { LabError } from "../core/errors.ts";
import { formatIp, nthAddress, parseCidr } from "../core/ip.ts";
import type { NetOp } from "../kernel/net-ops.ts";

/** Makes a node a router for IPv6, as `ip_forward` does for IPv4; links that come later are told by it, too. */
export const IPV6_FORWARDING: NetOp = { op: "sysctl", key: "ipv6/conf/all/forwarding", value: "1" };

/** Of an address or a CIDR. */
export function isIpv6(text: string): boolean {
  return text.includes(":");
}

/** The length of a prefix that is one address. */
export function hostPrefixLength(address: string): 32 | 128 {
  return isIpv6(address) ? 128 : 32;
}

/** The address at `offset` in a network of either family, 0 being the network's own. Throws BAD_ADDRESS. */
export function addressAt(cidr: string, offset: number): string {
  const network = parseCidr(cidr);
  const address = network === undefined ? undefined : nthAddress(network, offset);
  if (address === undefined) throw new LabError("BAD_ADDRESS", `"${cidr}" is no CIDR with an address ${offset}`);
  return formatIp(address);
}

/** The network's own address. Throws BAD_ADDRESS. */
export function firstAddress(cidr: string): string {
  return addressAt(cidr, 0);
}
