import {
  cidrsOverlap,
  formatCidr,
  formatIp,
  hasHostBits,
  nthAddress,
  parseCidr,
  parseIp,
  type Cidr,
  type IpAddress,
} from "../core/ip.ts";
import type { YamlPath } from "../core/yaml-document.ts";
import type { PlannedTopology } from "../plan/types.ts";
import type { ProblemList } from "./problems.ts";

/** What `cluster.ipFamily` may be: pods, nodes and Services have IPv4 addresses, or one of each family. */
export const IP_FAMILIES = ["ipv4", "dual"] as const;
export type IpFamily = (typeof IP_FAMILIES)[number];

/** kind's own networks of dual-stack clusters. */
export const DEFAULT_SERVICE_CIDR_V6 = "fd00:10:96::/112";
export const DEFAULT_POD_CIDR_V6 = "fd00:10:244::/56";

/** Bounds of prefix lengths, ends included. */
interface Bounds {
  what: string;
  ipv4: readonly [number, number];
  ipv6: readonly [number, number];
}

/** kube-apiserver's: no shorter than 20 bits for hosts; at the other end, cluster DNS must have its address. */
export const SERVICE_BOUNDS: Bounds = { what: "service", ipv4: [12, 28], ipv6: [108, 124] };
/** A node takes a /24 and a /64 (kube-controller-manager's node-cidr-mask-size), and may count in 16 bits. */
export const POD_BOUNDS: Bounds = { what: "pod", ipv4: [8, 24], ipv6: [48, 60] };

/** RFC 6890: networks that no host can have. */
const RESERVED = [
  { text: "0.0.0.0/8", what: 'reserved for "this network"' },
  { text: "127.0.0.0/8", what: "loopback" },
  { text: "169.254.0.0/16", what: "link-local" },
  { text: "224.0.0.0/3", what: "multicast or reserved" },
  { text: "::/8", what: "reserved: loopback, unspecified or mapped IPv4" },
  { text: "fe80::/10", what: "link-local" },
  { text: "ff00::/8", what: "multicast" },
].map(({ text, what }) => ({ cidr: parseCidr(text) as Cidr, what }));

/** An IPv4 CIDR that hosts can use; adds LAB_BAD_CIDR otherwise. */
export function parseIpv4Network(text: string, at: YamlPath, list: ProblemList): Cidr | undefined {
  return parseNetwork(text, 4, at, list);
}

function parseNetwork(text: string, family: 4 | 6, at: YamlPath, list: ProblemList): Cidr | undefined {
  const cidr = parseCidr(text);
  if (cidr === undefined || cidr.family !== family) {
    const example = family === 4 ? "172.30.0.0/24" : "fd00:10:244::/56; IPv4 stands first";
    list.error(
      "LAB_BAD_CIDR",
      at,
      `${JSON.stringify(text.slice(0, 60))} is no IPv${family} network`,
      `write it like ${example}`,
    );
    return undefined;
  }
  if (hasHostBits(text)) {
    list.error("LAB_BAD_CIDR", at, `${text} has bits beyond its prefix`, `write ${formatCidr(cidr)}`);
    return undefined;
  }
  const reserved = RESERVED.find(({ cidr: taken }) => cidrsOverlap(taken, cidr));
  if (reserved === undefined) return cidr;
  const usable = family === 4 ? "10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16" : "fd00::/8";
  list.error("LAB_BAD_CIDR", at, `${text} is ${reserved.what}`, `use a part of ${usable}`);
  return undefined;
}

/**
 * The networks that a lab writes as one CIDR or as a list of two, IPv4 first: one a family that the cluster has, defaults
 * filled in. All problems go to the list; undefined where there was any. What is neither text nor list is the schema's problem.
 */
export function readNetworks(
  written: string | readonly string[],
  at: YamlPath,
  { ipFamily, ipv6Default, bounds }: { ipFamily: IpFamily; ipv6Default: string; bounds: Bounds },
  list: ProblemList,
): Cidr[] | undefined {
  const before = list.problems.length;
  const isList = typeof written !== "string";
  const [ipv4 = "", ipv6 = ipv6Default, ...others] = isList ? written : [written];
  if (others.length > 0 || (isList && written.length < 2)) {
    list.error(
      "LAB_BAD_VALUE",
      at,
      "a list of networks has two: IPv4, then IPv6",
      "or write one network, without a list",
    );
    return undefined;
  }
  if (isList && ipFamily === "ipv4") {
    list.error("LAB_BAD_VALUE", at, "two networks, and the cluster has IPv4 alone", "set cluster.ipFamily: dual");
  }
  const place = (index: number): YamlPath => (isList ? [...at, index] : at);
  const found = [
    inBounds(parseIpv4Network(ipv4, place(0), list), place(0), bounds, list),
    ...(isList || ipFamily === "dual" ? [inBounds(parseNetwork(ipv6, 6, place(1), list), place(1), bounds, list)] : []),
  ];
  return list.problems.length > before ? undefined : found.filter((cidr) => cidr !== undefined);
}

function inBounds(
  cidr: Cidr | undefined,
  at: YamlPath,
  { what, ...bounds }: Bounds,
  list: ProblemList,
): Cidr | undefined {
  if (cidr === undefined) return undefined;
  const [least, most] = cidr.family === 4 ? bounds.ipv4 : bounds.ipv6;
  if (cidr.prefixLength < least || cidr.prefixLength > most) {
    const family = cidr.family === 4 ? "" : "IPv6 ";
    const message = `the ${family}${what} network must be between /${least} and /${most}, not /${cidr.prefixLength}`;
    list.error("LAB_BAD_CIDR", at, message);
  }
  return cidr;
}

/** A lab's pod networks with a CNI, one a family; `written` is what the lab says for this CNI. */
export function podCidrsOf(
  { ipFamily }: { ipFamily: IpFamily },
  written: string | readonly string[] | undefined,
  cni: { defaultPodCidr: string },
): string[] {
  const [ipv4 = cni.defaultPodCidr, ipv6 = DEFAULT_POD_CIDR_V6] =
    typeof written === "string" ? [written] : (written ?? []);
  return ipFamily === "dual" ? [ipv4, ipv6] : [ipv4];
}

/**
 * The topology with an IPv6 network beside each IPv4 one: fd00:172:30:N::/64 for the Nth, counted from 0, where router and
 * nodes are as far from the beginning as in the IPv4 network.
 */
export function withIpv6(topology: PlannedTopology): PlannedTopology {
  const sixth = new Map(topology.networks.map(({ name }, index) => [name, parseCidr(nodeSubnet(index)) as Cidr]));
  const beside = (network: string, ipv4: string): string => {
    const subnet = parseCidr(topology.networks.find(({ name }) => name === network)?.subnets[0] ?? "");
    const offset = (parseIp(ipv4)?.value ?? 0n) - (subnet?.value ?? 0n);
    return formatIp(nthAddress(sixth.get(network) as Cidr, offset) as IpAddress);
  };
  return {
    ...topology,
    networks: topology.networks.map(({ subnets, gateways, ...network }, index) => ({
      ...network,
      subnets: [...subnets, nodeSubnet(index)],
      gateways: [...gateways, beside(network.name, gateways[0] ?? "")],
    })),
    nodes: topology.nodes.map((node) => ({
      ...node,
      interfaces: node.interfaces.map((link) => ({
        ...link,
        addresses: [...link.addresses, beside(link.network, link.addresses[0] ?? "")],
        prefixLengths: [...link.prefixLengths, 64],
      })),
    })),
  };
}

function nodeSubnet(index: number): string {
  return formatCidr(parseCidr(`fd00:172:30:${index.toString(16)}::/64`) as Cidr);
}
