import { LabError } from "../core/errors.ts";
import { cidrSize, formatIp, nthAddress, parseCidr, type Cidr } from "../core/ip.ts";

/** More Services of type LoadBalancer than this are no lab. */
const POOL_SIZE = 50n;

/** An IPv6 network is taken for no larger: its last addresses are reserved for anycast (RFC 2526). */
const COUNTED = 65_536n;

/**
 * MetalLB's addresses for Services, `FIRST-LAST` for each subnet of the nodes' network, IPv4 first: the last ones, at most a quarter
 * of it; of an IPv6 one the last of its first 65536. Throws ADD_ON_NETWORK_TOO_SMALL.
 */
export function addressPool([subnet = "", ...others]: readonly string[]): string[] {
  const cidr = parseCidr(subnet);
  if (cidr === undefined || cidr.family !== 4 || cidrSize(cidr) < 16n) {
    throw new LabError("ADD_ON_NETWORK_TOO_SMALL", `the nodes' network ${subnet} has no room for MetalLB's addresses`, {
      hint: "MetalLB needs an IPv4 network of /28 or more",
    });
  }
  return [cidr, ...others.flatMap((text) => parseCidr(text) ?? [])].map(topOf);
}

function topOf(cidr: Cidr): string {
  const all = cidrSize(cidr);
  const size = cidr.family === 6 && all > COUNTED ? COUNTED : all;
  const quarter = size / 4n;
  const count = quarter < POOL_SIZE ? quarter : POOL_SIZE;
  // The last address of all is an IPv4 network's broadcast address.
  const [first, last] = [size - 1n - count, size - 2n].map((offset) => {
    const address = nthAddress(cidr, offset);
    return address === undefined ? "" : formatIp(address);
  });
  return `${first}-${last}`;
}
