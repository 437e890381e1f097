import type { EndpointSlice, Service } from "../../kube/types.ts";
import { familyOf } from "./address-ranges.ts";
import type { Family } from "./address-ranges.ts";
import { block, elements, replaceTable } from "./block.ts";
import { evidenceRules, evidenceSets } from "./evidence.ts";
import { servicePorts } from "./proxy-backends.ts";
import type { ServicePortBackends } from "./proxy-backends.ts";
import {
  affinitySets,
  externalChainName,
  isExternallyServed,
  serviceChainName,
  serviceChains,
} from "./proxy-chains.ts";

export interface ProxyRulesetInput {
  services: readonly Service[];
  endpointSlices: readonly EndpointSlice[];
  /** The pod network, one a family: calls to a ClusterIP from elsewhere are masqueraded. */
  clusterCidrs: readonly string[];
  /** Where ClusterIPs are taken from: one that no Service holds is dropped. */
  serviceCidrs: readonly string[];
  /** Name of the node that the rules are for. */
  node: string;
  /** Its addresses, which node ports are reached at: the primary ones, as with kube-proxy's --nodeport-addresses primary. */
  nodeAddresses?: readonly string[];
}

/** The table's name in either family, and the sets that list what it refused (see evidence.ts for their elements). */
export const PROXY_TABLE = "kube-proxy";
export const REJECT_SET = "rejects";
export const UNALLOCATED_SET = "drops";

const MASQUERADE_MARK = "0x4000";
const ADDRESS_TYPE = { ip: "ipv4_addr", ip6: "ipv6_addr" } as const;

function lookups(ports: readonly ServicePortBackends[], family: Family, nodeAddresses: readonly string[]): string[] {
  const key = ({ clusterIp, protocol, port }: ServicePortBackends): string => `${clusterIp} . ${protocol} . ${port}`;
  const served = ports.filter(({ backends }) => backends.length > 0);
  const unserved = ports.filter(({ backends }) => backends.length === 0);
  const clusterIps = [...new Set(ports.map(({ clusterIp }) => clusterIp))];
  const nodePorts = ports.flatMap((port) =>
    port.nodePort === undefined
      ? []
      : [{ port, nodePort: port.nodePort, key: `${port.protocol} . ${port.nodePort.port}` }],
  );
  const nodeMapType = "type inet_proto . inet_service : verdict;";
  const mapType = `type ${ADDRESS_TYPE[family]} . inet_proto . inet_service : verdict;`;
  return [
    ...block("set cluster-ips", [`type ${ADDRESS_TYPE[family]}; comment "Active ClusterIPs"`, ...elements(clusterIps)]),
    ...block("map service-ips", [
      `${mapType} comment "ClusterIP traffic"`,
      ...elements(served.map((port) => `${key(port)} : goto ${serviceChainName(port)}`)),
    ]),
    ...block("map no-endpoint-services", [
      `${mapType} comment "vmap to drop or reject packets to services with no endpoints"`,
      ...elements(unserved.map((port) => `${key(port)} : goto ${port.withoutBackends}-chain`)),
    ]),
    ...block("set nodeport-ips", [
      `type ${ADDRESS_TYPE[family]}; comment "IPs that accept NodePort traffic"`,
      ...elements(nodeAddresses),
    ]),
    ...block("map service-nodeports", [
      `${nodeMapType} comment "NodePort traffic"`,
      ...elements(
        nodePorts
          .filter(({ port }) => isExternallyServed(port))
          .map(({ key: nodeKey, port }) => `${nodeKey} : goto ${externalChainName(port)}`),
      ),
    ]),
    ...block("map no-endpoint-nodeports", [
      `${nodeMapType} comment "vmap to drop or reject packets to service nodeports with no endpoints"`,
      ...elements(
        nodePorts
          .filter(({ nodePort }) => nodePort.backends.length === 0)
          .map(({ key: nodeKey, nodePort }) => `${nodeKey} : goto ${nodePort.withoutBackends}-chain`),
      ),
    ]),
  ];
}

/** The chains that do not depend on Services. LoadBalancer addresses would have their maps asked here. */
function staticChains(family: Family, serviceCidrs: readonly string[]): string[] {
  const lookup = `${family} daddr . meta l4proto . th dport vmap`;
  const nodeLookup = `${family} daddr @nodeport-ips meta l4proto . th dport vmap`;
  const unallocated =
    serviceCidrs.length === 0
      ? []
      : [
          `${family} daddr { ${serviceCidrs.join(", ")} } goto drop-chain comment "Drop traffic to unallocated ClusterIPs"`,
        ];
  const chains: [name: string, rules: string[]][] = [
    ["reject-chain", [...evidenceRules(REJECT_SET, [family]), "counter reject"]],
    ["drop-chain", [...evidenceRules(UNALLOCATED_SET, [family]), "counter drop"]],
    ["mark-for-masquerade", [`meta mark set meta mark or ${MASQUERADE_MARK}`]],
    [
      "masquerading",
      [
        `meta mark & ${MASQUERADE_MARK} == 0 return`,
        `meta mark set meta mark xor ${MASQUERADE_MARK}`,
        "masquerade fully-random",
      ],
    ],
    ["services", [`${lookup} @service-ips`, `${nodeLookup} @service-nodeports`]],
    ["service-endpoints-check", [`${lookup} @no-endpoint-services`, `${nodeLookup} @no-endpoint-nodeports`]],
    [
      "cluster-ips-check",
      [
        `${family} daddr @cluster-ips goto reject-chain comment "Reject traffic to invalid ports of ClusterIPs"`,
        ...unallocated,
      ],
    ],
    ["nat-prerouting", ["type nat hook prerouting priority -100; policy accept;", "jump services"]],
    ["nat-output", ["type nat hook output priority -100; policy accept;", "jump services"]],
    ["nat-postrouting", ["type nat hook postrouting priority 100; policy accept;", "jump masquerading"]],
    ...(["forward", "output"] as const).map((hook): [string, string[]] => [
      `filter-${hook}`,
      [
        `type filter hook ${hook} priority 0; policy accept;`,
        "ct state new jump service-endpoints-check",
        "ct state new jump cluster-ips-check",
      ],
    ]),
    [
      "filter-input",
      ["type filter hook input priority 0; policy accept;", "ct state new jump service-endpoints-check"],
    ],
  ];
  return chains.flatMap(([name, rules]) => block(`chain ${name}`, rules));
}

function familyTable(input: ProxyRulesetInput, family: Family): string[] {
  const own = (cidrs: readonly string[]): string[] => cidrs.filter((cidr) => familyOf(cidr) === family);
  const ports = servicePorts(input.services, input.endpointSlices, family, input.node);
  return replaceTable(`${family} ${PROXY_TABLE}`, [
    'comment "rules for kube-proxy, modelled by cnilab"',
    ...evidenceSets(REJECT_SET, [family]),
    ...evidenceSets(UNALLOCATED_SET, [family]),
    ...ports.flatMap((port) => affinitySets(port, family)),
    ...lookups(ports, family, own(input.nodeAddresses ?? [])),
    ...staticChains(family, own(input.serviceCidrs)),
    ...ports.flatMap((port) => serviceChains(port, family, own(input.clusterCidrs))),
  ]);
}

/**
 * The ClusterIP Services of the cluster as nft commands for one node, as kube-proxy's nftables mode lays them out: one
 * transaction that replaces the tables as a whole, deterministic for equal input in any order. There is an ip6 table
 * only where the pod or service network has an IPv6 CIDR. Connections that stand keep their endpoint: their translation
 * is conntrack's.
 */
export function proxyRuleset(input: ProxyRulesetInput): string {
  const cidrs = [...input.clusterCidrs, ...input.serviceCidrs];
  const families: Family[] = cidrs.some((cidr) => familyOf(cidr) === "ip6") ? ["ip", "ip6"] : ["ip"];
  return `${families.flatMap((family) => familyTable(input, family)).join("\n")}\n`;
}
