import { cidrsOverlap, formatCidr, formatIp, nthAddress, parseCidr } from "../core/ip.ts";
import { isMapping } from "../core/yaml-source.ts";
import { dnsSubdomainProblem } from "../kube/names.ts";
import type { PlannedCluster, PlannedTopology } from "../plan/types.ts";
import type { ProblemList } from "./problems.ts";
import { DEFAULT_SERVICE_CIDR_V6, readNetworks, SERVICE_BOUNDS, type IpFamily } from "./families.ts";

/** kubeadm's default service network. */
export const DEFAULT_SERVICE_CIDR = "10.96.0.0/12";
export const DEFAULT_DNS_DOMAIN = "cluster.local";

/** The tenth address of the service network, where kubeadm puts cluster DNS. */
const DNS_OFFSET = 10;

/** Reads `cluster:` as written, defaults filled in. Undefined when there was any problem, be it one for the schema. */
export function readCluster(raw: unknown, list: ProblemList): PlannedCluster | undefined {
  const { serviceCidr = DEFAULT_SERVICE_CIDR, dnsDomain = DEFAULT_DNS_DOMAIN } = isMapping(raw) ? raw : {};
  if (!isNetworks(serviceCidr) || typeof dnsDomain !== "string") return undefined;
  const networks = readNetworks(
    serviceCidr,
    ["cluster", "serviceCidr"],
    { ipFamily: ipFamilyOf(raw), ipv6Default: DEFAULT_SERVICE_CIDR_V6, bounds: SERVICE_BOUNDS },
    list,
  );
  const domainProblem = dnsSubdomainProblem(dnsDomain);
  if (domainProblem !== undefined) {
    list.error(
      "LAB_BAD_NAME",
      ["cluster", "dnsDomain"],
      `DNS domain ${JSON.stringify(dnsDomain.slice(0, 60))} ${domainProblem}`,
    );
  }
  const [first] = networks ?? [];
  if (networks === undefined || first === undefined || domainProblem !== undefined) return undefined;
  const dns = nthAddress(first, DNS_OFFSET);
  return { serviceCidrs: networks.map(formatCidr), dnsAddress: dns === undefined ? "" : formatIp(dns), dnsDomain };
}

/** What `cluster:` says as written; "ipv4" where it says nothing that can be read. */
export function ipFamilyOf(raw: unknown): IpFamily {
  return isMapping(raw) && raw["ipFamily"] === "dual" ? "dual" : "ipv4";
}

function isNetworks(value: unknown): value is string | string[] {
  return typeof value === "string" || (Array.isArray(value) && value.every((each) => typeof each === "string"));
}

/** A network by its role, for {@link findOverlaps}. */
export interface NamedNetwork {
  role: "node" | "service" | "pod";
  what: string;
  cidr: string;
}

/** Pairs of networks that share addresses; text that is no CIDR overlaps nothing. */
export function findOverlaps(networks: readonly NamedNetwork[]): [NamedNetwork, NamedNetwork][] {
  return networks.flatMap((first, index) =>
    networks
      .slice(index + 1)
      .filter((second) => {
        const [a, b] = [parseCidr(first.cidr), parseCidr(second.cidr)];
        return a !== undefined && b !== undefined && cidrsOverlap(a, b);
      })
      .map((second): [NamedNetwork, NamedNetwork] => [first, second]),
  );
}

/** The networks of a lab that must not overlap. */
export function networksOf(
  topology: PlannedTopology,
  cluster: PlannedCluster,
  podCidrs: readonly string[],
): NamedNetwork[] {
  return [
    ...topology.networks.flatMap(({ name, subnets }) =>
      subnets.map((cidr) => ({ role: "node" as const, what: `node network ${name}`, cidr })),
    ),
    ...cluster.serviceCidrs.map((cidr) => ({ role: "service" as const, what: "the service network", cidr })),
    ...podCidrs.map((cidr) => ({ role: "pod" as const, what: "the pod network", cidr })),
  ];
}
