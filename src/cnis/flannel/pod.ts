import { createHash } from "node:crypto";
import type { NetOp } from "../../kernel/net-ops.ts";
import { isIpv6 } from "../families.ts";
import { bridgedLladdr } from "../hardware-address.ts";
import type { CniConfig, CniNode, CniPod, OneFamilyNode, PodAttachment } from "../types.ts";
import { BRIDGE, bridgeAddress, subnetPrefixLength } from "./node.ts";

/** Random in the real plugin; here the pod's uid stands in, so that a pod made anew gets another name. */
function hostInterfaceName(pod: CniPod): string {
  return `veth${createHash("sha1").update(pod.uid).digest("hex").slice(0, 8)}`;
}

interface Ends {
  pod: NetOp[];
  node: NetOp[];
}

/** One address of the pod, and the ways that lead through the bridge's of its family; `bridge` is the bridge's hardware address. */
function addressOps(
  address: string,
  {
    pod,
    node,
    podCidr,
    bridge,
    lladdr,
  }: { pod: CniPod; node: OneFamilyNode; podCidr: string; bridge: string; lladdr: string },
): Ends {
  const gateway = bridgeAddress(node);
  const podOps: NetOp[] = [
    { op: "route-add", to: "default", via: gateway, dev: "eth0" },
    { op: "route-add", to: podCidr, via: gateway, dev: "eth0" },
  ];
  if (pod.neighbours === undefined) return { pod: podOps, node: [] };
  const pinned = [{ address: gateway, lladdr: bridge }, ...(isIpv6(address) ? [] : pod.neighbours)];
  return {
    pod: [...podOps, ...pinned.map((neighbour): NetOp => ({ op: "neigh-add", dev: "eth0", ...neighbour }))],
    node: [{ op: "neigh-add", dev: BRIDGE, address, lladdr }],
  };
}

/**
 * The bridge plugin's work for one pod: a port of cni0 in hairpin mode, so that a pod reaches itself through its own
 * Service. With `neighbours` given no ARP is needed on the node: permanent entries do not count against gc_thresh3,
 * which all namespaces of the host share.
 */
export function flannelAttachPod(pod: CniPod, node: CniNode, config: CniConfig): PodAttachment {
  const hostInterface = hostInterfaceName(pod);
  const [address = "", ipv6Address] = pod.addresses;
  const lladdr = bridgedLladdr(address);
  const shared = { pod, bridge: bridgedLladdr(bridgeAddress(node)), lladdr };
  const ends = [addressOps(address, { ...shared, node, podCidr: config.podCidr })];
  const addresses: [string, OneFamilyNode][] = [[address, node]];
  if (ipv6Address !== undefined && node.ipv6 !== undefined && config.ipv6PodCidr !== undefined) {
    ends.push(addressOps(ipv6Address, { ...shared, node: node.ipv6, podCidr: config.ipv6PodCidr }));
    addresses.push([ipv6Address, node.ipv6]);
  }
  return {
    hostInterface,
    lladdr,
    podOps: [
      ...addresses.map(([own, of]): NetOp => ({
        op: "address-add",
        dev: "eth0",
        address: own,
        prefixLength: subnetPrefixLength(of),
      })),
      { op: "link-up", name: "eth0" },
      ...ends.flatMap(({ pod: ops }) => ops),
    ],
    nodeOps: [
      {
        op: "veth-add",
        name: hostInterface,
        mtu: config.mtu,
        peer: { name: "eth0", namespace: pod.netns, mtu: config.mtu, address: lladdr },
      },
      // A port of a bridge needs no address, and would be detected as a duplicate's for a second.
      ...(addresses.length === 1 ? [] : [{ op: "link-without-ipv6-address" as const, name: hostInterface }]),
      { op: "link-set", name: hostInterface, master: BRIDGE, hairpin: true },
      { op: "link-up", name: hostInterface },
      ...ends.flatMap(({ node: ops }) => ops),
    ],
  };
}
