import { createHash } from "node:crypto";
import type { NetOp } from "../../kernel/net-ops.ts";
import { seededLladdr } from "../hardware-address.ts";
import { parseNetwork } from "../ipv4.ts";
import type { CniConfig, CniNode, CniPod, PodAttachment } from "../types.ts";
import { BRIDGE, bridgeAddress, bridgeLladdr } from "./node.ts";

/** "vethwepl" and the first seven digits of the container's id (net/veth.go), for which the pod's uid stands in. */
function hostInterfaceName(pod: CniPod): string {
  return `vethwepl${createHash("sha1").update(pod.uid).digest("hex").slice(0, 7)}`;
}

function addressOps(address: string, node: CniNode, config: CniConfig): NetOp[] {
  return [
    { op: "address-add", dev: "eth0", address, prefixLength: parseNetwork(config.podCidr).prefixLength },
    { op: "link-up", name: "eth0" },
    { op: "route-add", to: "default", via: bridgeAddress(node, config), dev: "eth0" },
  ];
}

/**
 * Weave's plugin for one pod: a port of the bridge in hairpin mode, so that a pod reaches itself through its own Service. The
 * pod's address has the whole pod network's prefix: pods of all nodes are its neighbours.
 */
export function weaveAttachPod(pod: CniPod, node: CniNode, config: CniConfig): PodAttachment {
  const hostInterface = hostInterfaceName(pod);
  const [address = ""] = pod.addresses;
  const lladdr = seededLladdr(pod.uid);
  const gateway = { address: bridgeAddress(node, config), lladdr: bridgeLladdr(node) };
  const pinned = pod.neighbours === undefined ? [] : [gateway, ...pod.neighbours];
  return {
    hostInterface,
    lladdr,
    podOps: [
      ...addressOps(address, node, config),
      ...pinned.map((neighbour): NetOp => ({ op: "neigh-add", dev: "eth0", ...neighbour })),
    ],
    nodeOps: [
      {
        op: "veth-add",
        name: hostInterface,
        mtu: config.mtu,
        peer: { name: "eth0", namespace: pod.netns, mtu: config.mtu, address: lladdr },
      },
      { op: "link-set", name: hostInterface, master: BRIDGE, hairpin: true },
      { op: "link-up", name: hostInterface },
    ],
  };
}
