import { createHash } from "node:crypto";
import type { NetOp } from "../../kernel/net-ops.ts";
import { bridgedLladdr } from "../hardware-address.ts";
import { parseNetwork } from "../ipv4.ts";
import type { CniConfig, CniNode, CniPod, PodAttachment } from "../types.ts";
import { BRIDGE, bridgeAddress, nodeSubnet } from "./node.ts";

/** Random in the real plugin; here the pod's uid stands in, so that a pod made anew gets another name. */
function hostInterfaceName(pod: CniPod): string {
  return `veth${createHash("sha1").update(pod.uid).digest("hex").slice(0, 8)}`;
}

function attachAddress(
  address: string,
  pod: CniPod,
  node: CniNode,
  config: CniConfig,
): { pod: NetOp[]; node: NetOp[] } {
  const gateway = bridgeAddress(node);
  const { prefixLength } = parseNetwork(nodeSubnet(node));
  const podOps: NetOp[] = [
    { op: "address-add", dev: "eth0", address, prefixLength },
    { op: "link-up", name: "eth0" },
    { op: "route-add", to: "default", via: gateway, dev: "eth0" },
    { op: "route-add", to: config.podCidr, via: gateway, dev: "eth0" },
  ];
  if (pod.neighbours === undefined) return { pod: podOps, node: [] };
  const pinned = [{ address: gateway, lladdr: bridgedLladdr(gateway) }, ...pod.neighbours];
  return {
    pod: [...podOps, ...pinned.map((neighbour): NetOp => ({ op: "neigh-add", dev: "eth0", ...neighbour }))],
    node: [{ op: "neigh-add", dev: BRIDGE, address, lladdr: bridgedLladdr(address) }],
  };
}

/**
 * The bridge plugin's work for one pod: a port of cni0 in hairpin mode, so that a pod reaches itself through its own
 * Service. With `neighbours` given no ARP is needed on the node: permanent entries do not count against gc_thresh3,
 * which all namespaces of the host share.
 */
export function flannelAttachPod(pod: CniPod, node: CniNode, config: CniConfig): PodAttachment {
  const hostInterface = hostInterfaceName(pod);
  const [address = ""] = pod.addresses;
  const lladdr = bridgedLladdr(address);
  const ops = attachAddress(address, pod, node, config);
  return {
    hostInterface,
    lladdr,
    podOps: ops.pod,
    nodeOps: [
      {
        op: "veth-add",
        name: hostInterface,
        mtu: config.mtu,
        peer: { name: "eth0", namespace: pod.netns, mtu: config.mtu, address: lladdr },
      },
      { op: "link-set", name: hostInterface, master: BRIDGE, hairpin: true },
      { op: "link-up", name: hostInterface },
      ...ops.node,
    ],
  };
}
