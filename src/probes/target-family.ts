import { LabError } from "../core/errors.ts";
import type { ServiceBackend } from "../kube/workloads.ts";
import type { AddressFamily } from "../lab/fields.ts";

/** Ends the identity of a target that is aimed at over IPv6: that it answers over IPv4 is no control for that. */
export const OVER_IPV6 = " over IPv6";

/**
 * The first address of the family wanted, else of one that the other side has; any first one where that is not known. Throws
 * TARGET_LACKS_FAMILY where a family is wanted that there is none of.
 */
export function pickAddress(
  addresses: readonly string[],
  others: readonly string[],
  { family }: { family?: AddressFamily | undefined },
  what: string,
): string | undefined {
  if (family !== undefined && addresses.length > 0) {
    const found = addresses.find((address) => address.includes(":") === (family === "ipv6"));
    if (found !== undefined) return found;
    throw new LabError("TARGET_LACKS_FAMILY", `${what} has no ${family === "ipv6" ? "IPv6" : "IPv4"} address`, {
      hint: "pods have one of each family where the lab has cluster.ipFamily: dual, Services by their ipFamilyPolicy",
    });
  }
  return (
    addresses.find((address) => others.some((other) => other.includes(":") === address.includes(":"))) ?? addresses[0]
  );
}

/** The identity of a target that is aimed at by this address. */
export function identityAt(address: string, identity: string): string {
  return address.includes(":") && identity !== address ? `${identity}${OVER_IPV6}` : identity;
}

/** kube-proxy sends what comes to a Service's address to endpoints of the same family alone. */
export function ofFamily(backends: readonly ServiceBackend[], address: string): ServiceBackend[] {
  return backends.filter((backend) => backend.address.includes(":") === address.includes(":"));
}
