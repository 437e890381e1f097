import type { CniConfig, CniNode } from "../types.ts";
import { nodeSubnet } from "./node.ts";

/** kube-proxy's mark for packets it will masquerade itself. */
const KUBE_PROXY_MARK = "0x4000";

/**
 * flanneld --ip-masq, in the table that its nftables mode makes, with the conditions of its iptables chain
 * FLANNEL-POSTRTG: what stays in the pod network keeps its source, what leaves it takes the node's.
 */
export function flannelNodeNft(node: CniNode, config: CniConfig): string {
  const own = nodeSubnet(node);
  const cluster = config.podCidr;
  return `table ip flannel-ipv4
delete table ip flannel-ipv4
table ip flannel-ipv4 {
  comment "rules for flannel-ipv4, modelled by cnilab"
  chain forward {
    comment "accepts traffic of the pod network"
    type filter hook forward priority filter; policy accept;
    ip saddr ${cluster} accept
    ip daddr ${cluster} accept
  }
  chain postrtg {
    comment "masquerading of what leaves the pod network"
    type nat hook postrouting priority srcnat; policy accept;
    meta mark & ${KUBE_PROXY_MARK} == ${KUBE_PROXY_MARK} return
    ip saddr ${own} ip daddr ${cluster} return
    ip saddr ${cluster} ip daddr ${own} return
    ip saddr != ${cluster} ip daddr ${own} return
    ip saddr ${cluster} ip daddr != 224.0.0.0/4 masquerade fully-random
    ip saddr != ${cluster} ip daddr ${cluster} masquerade fully-random
  }
}
`;
}
