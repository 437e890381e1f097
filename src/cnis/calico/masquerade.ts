import type { CniConfig, CniNode } from "../types.ts";
import { VXLAN_DEVICE, isEncapsulating } from "./node.ts";

/**
 * Felix's natOutgoing: packets from an address of the pool to one outside all pools take the node's address. The names
 * are those of Felix's nftables mode, where they stand in the table `ip calico`; here policy has a table of its own,
 * which is replaced more often.
 */
export function calicoNodeNft(_node: CniNode, config: CniConfig): string {
  // What a node sends into the tunnel with its own address (a Service it calls) takes the tunnel's: the answer has to
  // come back through the tunnel.
  const tunnel = isEncapsulating(config.mode)
    ? `\n    oifname "${VXLAN_DEVICE}" fib saddr . oif type != local fib saddr type local masquerade fully-random`
    : "";
  return `table ip calico-nat
delete table ip calico-nat
table ip calico-nat {
  comment "natOutgoing of Calico, modelled by cnilab"
  set cali40all-ipam-pools {
    type ipv4_addr; flags interval
    elements = { ${config.podCidr} }
  }
  set cali40masq-ipam-pools {
    type ipv4_addr; flags interval
    elements = { ${config.podCidr} }
  }
  chain nat-POSTROUTING {
    type nat hook postrouting priority srcnat; policy accept;
    jump nat-cali-nat-outgoing${tunnel}
  }
  chain nat-cali-nat-outgoing {
    ip saddr @cali40masq-ipam-pools ip daddr != @cali40all-ipam-pools masquerade fully-random
  }
}
`;
}
