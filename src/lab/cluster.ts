import { cidrsOverlap, formatCidr, formatIp, nthAddress, parseCidr } from "../core/ip.ts";
import { isMapping } from "../core/yaml-source.ts";
import { dnsSubdomainProblem } from "../kube/names.ts";
import type { PlannedCluster, PlannedTopology } from "../plan/types.ts";
import type { ProblemList } from "./problems.ts";
import { parseIpv4Network } from "./topology.ts";

/** kubeadm's default service network. */
export const DEFAULT_SERVICE_CIDR = "10.96.0.0/12";
export const DEFAULT_DNS_DOMAIN = "cluster.local";

/** The tenth address of the service network, where kubeadm puts cluster DNS. */
const DNS_OFFSET = 10;

/** Reads `cluster:` as written, defaults filled in. Undefined when there was any problem, be it one for the schema. */
export function readCluster(raw: unknown, list: ProblemList): PlannedCluster | undefined {
  const { serviceCidr = DEFAULT_SERVICE_CIDR, dnsDomain = DEFAULT_DNS_DOMAIN } = isMapping(raw) ? raw : {};
  if (typeof serviceCidr !== "string" || typeof dnsDomain !== "string") return undefined;
  const cidr = parseIpv4Network(serviceCidr, ["cluster", "serviceCidr"], list);
  const domainProblem = dnsSubdomainProblem(dnsDomain);
  if (domainProblem !== undefined) {
    list.error(
      "LAB_BAD_NAME",
      ["cluster", "dnsDomain"],
      `DNS domain ${JSON.stringify(dnsDomain.slice(0, 60))} ${domainProblem}`,
    );
  }
  // kube-apiserver's bounds are /12 and, for DNS to have its address, /28.
  const isSizeRight = cidr === undefined || (cidr.prefixLength >= 12 && cidr.prefixLength <= 28);
  if (!isSizeRight) {
    list.error(
      "LAB_BAD_CIDR",
      ["cluster", "serviceCidr"],
      `the service network must be between /12 and /28, not /${cidr.prefixLength}`,
    );
  }
  if (cidr === undefined || domainProblem !== undefined || !isSizeRight) return undefined;
  const dns = nthAddress(cidr, DNS_OFFSET);
  return { serviceCidrs: [formatCidr(cidr)], dnsAddress: dns === undefined ? "" : formatIp(dns), dnsDomain };
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
export function networksOf(topology: PlannedTopology, cluster: PlannedCluster, podCidr: string): NamedNetwork[] {
  return [
    ...topology.networks.map(({ name, subnet }) => ({
      role: "node" as const,
      what: `node network ${name}`,
      cidr: subnet,
    })),
    ...cluster.serviceCidrs.map((cidr) => ({ role: "service" as const, what: "the service network", cidr })),
    { role: "pod", what: "the pod network", cidr: podCidr },
  ];
}
