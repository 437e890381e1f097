import type { CniConfig, CniNode } from "../types.ts";
import { ipsecNft, isEncrypted } from "./ipsec.ts";

/**
 * Weave's chain in the table nat (net/expose.go, net/bridge.go): what leaves the pod network takes the node's address, and
 * what enters it the bridge's, so that its answer comes back the same way; not so on the way to a pod of this node, which
 * sees who asks (externalTrafficPolicy: Local).
 */
export function weaveNodeNft(node: CniNode, { podCidr, options }: CniConfig): string {
  return `${isEncrypted(options) ? ipsecNft() : ""}table ip weave-nat
delete table ip weave-nat
table ip weave-nat {
  comment "masquerading of Weave, modelled by cnilab"
  set weaver-no-masq-local {
    type ipv4_addr; flags interval; auto-merge
    elements = { ${node.podCidrs.join(", ")} }
  }
  chain POSTROUTING {
    type nat hook postrouting priority srcnat; policy accept;
    jump WEAVE
  }
  chain WEAVE {
    ip daddr @weaver-no-masq-local return comment "Prevent SNAT to locally running containers"
    ip saddr ${podCidr} ip daddr 224.0.0.0/4 return
    ip saddr != ${podCidr} ip daddr ${podCidr} masquerade
    ip saddr ${podCidr} ip daddr != ${podCidr} masquerade
  }
}
`;
}
