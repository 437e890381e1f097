import type { EndpointSlice, Service } from "../../kube/types.ts";
import { familyOf } from "./address-ranges.ts";
import type { Family } from "./address-ranges.ts";
import { partsOf, tableText } from "../../kernel/nft-parts.ts";
import type { NftTable } from "../../kernel/nft-parts.ts";
import { block, elements } from "./block.ts";
import { evidenceRules, evidenceSets } from "./evidence.ts";
import { dependsOnNode, hasHints, withSlices } from "./proxy-backends.ts";
import { servicePortParts } from "./proxy-parts.ts";
import type { Lookups, ServicePortParts } from "./proxy-parts.ts";

export interface ProxyRulesetInput {
  services: readonly Service[];
  endpointSlices: readonly EndpointSlice[];
  /** The pod network, one a family: calls to a ClusterIP from elsewhere are masqueraded. */
  clusterCidrs: readonly string[];
  /** Where ClusterIPs are taken from: one that no Service holds is dropped. */
  serviceCidrs: readonly string[];
  /** Name of the node that the rules are for. */
  node: string;
  /** The zone that it is in; absent: none. */
  zone?: string;
  /** Its addresses, which node ports are reached at: the primary ones, as with kube-proxy's --nodeport-addresses primary. */
  nodeAddresses?: readonly string[];
}

/** The table's name in either family, and the sets that list what it refused (see evidence.ts for their elements). */
export const PROXY_TABLE = "kube-proxy";
export const REJECT_SET = "rejects";
export const UNALLOCATED_SET = "drops";

const MASQUERADE_MARK = "0x4000";
const ADDRESS_TYPE = { ip: "ipv4_addr", ip6: "ipv6_addr" } as const;

/** The maps and sets that all ports share. */
function lookups(ports: readonly ServicePortParts[], family: Family): string[] {
  // A second Service with the same externalIPs and port gets nothing: the first one has them.
  const all = (name: keyof Lookups): string[] => {
    const byKey = new Map<string, string>();
    for (const each of ports.flatMap((port) => port.lookups[name])) {
      const [key = ""] = each.split(" : ");
      if (!byKey.has(key)) byKey.set(key, each);
    }
    return elements([...byKey.values()]);
  };
  const nodeMapType = "type inet_proto . inet_service : verdict;";
  const mapType = `type ${ADDRESS_TYPE[family]} . inet_proto . inet_service : verdict;`;
  return [
    ...block("set cluster-ips", [`type ${ADDRESS_TYPE[family]}; comment "Active ClusterIPs"`, ...all("cluster-ips")]),
    ...block("map service-ips", [`${mapType} comment "ClusterIP traffic"`, ...all("service-ips")]),
    ...block("map no-endpoint-services", [
      `${mapType} comment "vmap to drop or reject packets to services with no endpoints"`,
      ...all("no-endpoint-services"),
    ]),
    ...block("map service-nodeports", [`${nodeMapType} comment "NodePort traffic"`, ...all("service-nodeports")]),
    ...block("map no-endpoint-nodeports", [
      `${nodeMapType} comment "vmap to drop or reject packets to service nodeports with no endpoints"`,
      ...all("no-endpoint-nodeports"),
    ]),
    ...block("map firewall-ips", [
      `${mapType} comment "destinations that are subject to LoadBalancerSourceRanges"`,
      ...all("firewall-ips"),
    ]),
  ];
}

/** The groups of a table's maps that were made last, by what they were made of; more than a few are not asked for in turn. */
const lookupGroups: { family: Family; of: readonly Lookups[]; group: NftTable["groups"][number] }[] = [];
const MANY_GROUPS = 8;

/** {@link lookups} as parts; the same object as the last time where all ports lead to what they did. */
function lookupGroup(ports: readonly ServicePortParts[], family: Family): NftTable["groups"][number] {
  const isOf = (of: readonly Lookups[]): boolean =>
    of.length === ports.length && of.every((each, index) => each === ports[index]?.lookups);
  const known = lookupGroups.find((each) => each.family === family && isOf(each.of));
  if (known !== undefined) return known.group;
  const group = partsOf(family, PROXY_TABLE, lookups(ports, family));
  if (lookupGroups.length >= MANY_GROUPS) lookupGroups.shift();
  lookupGroups.push({ family, of: ports.map((port) => port.lookups), group });
  return group;
}

const NO_ADDRESSES: readonly string[] = [];
const nodePortGroups = new WeakMap<readonly string[], Map<Family, NftTable["groups"][number]>>();

/** Where node ports are reached; equal for the same list of addresses as an object. */
function nodePortAddresses(family: Family, nodeAddresses: readonly string[]): NftTable["groups"][number] {
  const known = nodePortGroups.get(nodeAddresses) ?? new Map<Family, NftTable["groups"][number]>();
  nodePortGroups.set(nodeAddresses, known);
  let group = known.get(family);
  if (group === undefined) {
    const lines = [
      `type ${ADDRESS_TYPE[family]}; comment "IPs that accept NodePort traffic"`,
      ...elements(nodeAddresses.filter((address) => familyOf(address) === family)),
    ];
    group = partsOf(family, PROXY_TABLE, block("set nodeport-ips", lines));
    known.set(family, group);
  }
  return group;
}

/** The chains that do not depend on Services. */
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
    ["firewall-check", [`${lookup} @firewall-ips`]],
    ...(
      [
        ["filter-prerouting", "prerouting"],
        ["filter-output-pre-dnat", "output"],
      ] as const
    ).map(([name, hook]): [string, string[]] => [
      name,
      [`type filter hook ${hook} priority -110; policy accept;`, "ct state new jump firewall-check"],
    ]),
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

const fixed = new Map<string, NftTable["groups"][number]>();

/** What does not depend on objects; a process has one cluster's. */
function fixedParts(family: Family, serviceCidrs: readonly string[]): NftTable["groups"][number] {
  const key = [family, ...serviceCidrs].join(" ");
  let group = fixed.get(key);
  if (group === undefined) {
    const sets = [REJECT_SET, UNALLOCATED_SET].flatMap((name) => evidenceSets(name, [family]));
    group = partsOf(family, PROXY_TABLE, [...sets, ...staticChains(family, serviceCidrs)]);
    fixed.set(key, group);
  }
  return group;
}

/** What all nodes have in common, of the objects that were asked about last: nodes are brought up to date one after the other. */
const common: { of?: Pick<ProxyRulesetInput, "services" | "endpointSlices">; groups: Map<string, NftTable["groups"]> } =
  {
    groups: new Map(),
  };

function commonGroups(input: ProxyRulesetInput, family: Family): NftTable["groups"] {
  const { services, endpointSlices } = input;
  const own = (cidrs: readonly string[]): string[] => cidrs.filter((cidr) => familyOf(cidr) === family);
  const [clusterCidrs, serviceCidrs] = [own(input.clusterCidrs), own(input.serviceCidrs)];
  if (common.of?.services !== services || common.of.endpointSlices !== endpointSlices) {
    common.of = { services, endpointSlices };
    common.groups.clear();
  }
  const isOwn = services.some((service) => dependsOnNode(service, [])) || endpointSlices.some(hasHints);
  const node = { name: input.node, ...(input.zone === undefined ? {} : { zone: input.zone }) };
  const key = [
    family,
    isOwn ? `${node.name}/${node.zone ?? ""}` : "",
    clusterCidrs.join(","),
    serviceCidrs.join(","),
  ].join(" ");
  const known = common.groups.get(key);
  if (known !== undefined) return known;
  const ports = withSlices(services, endpointSlices, family)
    .flatMap((service) => servicePortParts(service, { table: PROXY_TABLE, family, node, clusterCidrs }))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const groups = [fixedParts(family, serviceCidrs), lookupGroup(ports, family), ...ports.map(({ parts }) => parts)];
  common.groups.set(key, groups);
  return groups;
}

function familyTable(input: ProxyRulesetInput, family: Family): NftTable {
  return {
    family,
    name: PROXY_TABLE,
    comment: 'comment "rules for kube-proxy, modelled by cnilab"',
    groups: [nodePortAddresses(family, input.nodeAddresses ?? NO_ADDRESSES), ...commonGroups(input, family)],
  };
}

/**
 * The ClusterIP Services of the cluster as tables for one node, as kube-proxy's nftables mode lays them out; deterministic
 * for equal input in any order. There is an ip6 table only where the pod or service network has an IPv6 CIDR. Connections that stand keep their
 * endpoint: their translation is conntrack's.
 */
export function proxyTables(input: ProxyRulesetInput): NftTable[] {
  const cidrs = [...input.clusterCidrs, ...input.serviceCidrs];
  const families: Family[] = cidrs.some((cidr) => familyOf(cidr) === "ip6") ? ["ip", "ip6"] : ["ip"];
  return families.map((family) => familyTable(input, family));
}

/** {@link proxyTables} as nft commands: one transaction that replaces the tables as a whole. */
export function proxyRuleset(input: ProxyRulesetInput): string {
  return proxyTables(input).map(tableText).join("");
}
