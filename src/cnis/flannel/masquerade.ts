import type { CniConfig, CniNode, OneFamilyNode } from "../types.ts";
import { nodeSubnet } from "./node.ts";

/** kube-proxy's mark for packets it will masquerade itself. */
const KUBE_PROXY_MARK = "0x4000";

/**
 * flanneld --ip-masq, in the table that its nftables mode makes, with the conditions of its iptables chain
 * FLANNEL-POSTRTG: what stays in the pod network keeps its source, what leaves it takes the node's.
 */
export function flannelNodeNft(node: CniNode, config: CniConfig): string {
  const ipv4 = { family: "ip", name: "flannel-ipv4", multicast: "224.0.0.0/4" };
  const ipv6 = { family: "ip6", name: "flannel-ipv6", multicast: "ff00::/8" };
  const { ipv6PodCidr } = config;
  return [
    familyTable(ipv4, node, config.podCidr),
    ...(node.ipv6 === undefined || ipv6PodCidr === undefined ? [] : [familyTable(ipv6, node.ipv6, ipv6PodCidr)]),
  ].join("");
}

function familyTable(
  { family, name, multicast }: { family: string; name: string; multicast: string },
  node: OneFamilyNode,
  cluster: string,
): string {
  const own = nodeSubnet(node);
  const from = `${family} saddr`;
  const to = `${family} daddr`;
  return `table ${family} ${name}
delete table ${family} ${name}
table ${family} ${name} {
  comment "rules for ${name}, modelled by cnilab"
  chain forward {
    comment "accepts traffic of the pod network"
    type filter hook forward priority filter; policy accept;
    ${from} ${cluster} accept
    ${to} ${cluster} accept
  }
  chain postrtg {
    comment "masquerading of what leaves the pod network"
    type nat hook postrouting priority srcnat; policy accept;
    meta mark & ${KUBE_PROXY_MARK} == ${KUBE_PROXY_MARK} return
    ${from} ${own} ${to} ${cluster} return
    ${from} ${cluster} ${to} ${own} return
    ${from} != ${cluster} ${to} ${own} return
    ${from} ${cluster} ${to} != ${multicast} masquerade fully-random
    ${from} != ${cluster} ${to} ${cluster} masquerade fully-random
  }
}
`;
}
