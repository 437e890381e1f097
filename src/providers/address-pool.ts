import { LabError } from "../core/errors.ts";
import { cidrSize, formatIp, nthAddress, parseCidr } from "../core/ip.ts";

/** More Services of type LoadBalancer than this are no lab. */
const POOL_SIZE = 50n;

/** MetalLB's addresses for Services, `FIRST-LAST`: the last ones of a network, at most a quarter of it. Throws ADD_ON_NETWORK_TOO_SMALL. */
export function addressPool(subnet: string): string {
  const cidr = parseCidr(subnet);
  if (cidr === undefined || cidr.family !== 4 || cidrSize(cidr) < 16n) {
    throw new LabError("ADD_ON_NETWORK_TOO_SMALL", `the nodes' network ${subnet} has no room for MetalLB's addresses`, {
      hint: "MetalLB needs an IPv4 network of /28 or more",
    });
  }
  const size = cidrSize(cidr);
  const quarter = size / 4n;
  const count = quarter < POOL_SIZE ? quarter : POOL_SIZE;
  // The last address of all is the network's broadcast address.
  const [first, last] = [size - 1n - count, size - 2n].map((offset) => {
    const address = nthAddress(cidr, offset);
    return address === undefined ? "" : formatIp(address);
  });
  return `${first}-${last}`;
}
