import { createHash } from "node:crypto";
import type { NetOp } from "../../kernel/net-ops.ts";
import { seededLladdr } from "../hardware-address.ts";
import type { CniConfig, CniNode, CniPod, PodAttachment } from "../types.ts";

/** Every pod's next hop; no interface has it, the node answers ARP for it by proxy_arp. */
const GATEWAY = "169.254.1.1";

/** The node's end of every pod's link has this hardware address. */
const HOST_LLADDR = "ee:ee:ee:ee:ee:ee";

/** "cali" and eleven hex digits of the SHA-1 of "namespace.pod" (libcalico-go VethNameForWorkload). */
export function calicoHostInterface(namespace: string, name: string): string {
  return `cali${createHash("sha1").update(`${namespace}.${name}`).digest("hex").slice(0, 11)}`;
}

function hostSysctls(hostInterface: string): NetOp[] {
  const settings: [key: string, value: string][] = [
    [`ipv4/conf/${hostInterface}/proxy_arp`, "1"],
    [`ipv4/conf/${hostInterface}/route_localnet`, "1"],
    [`ipv4/conf/${hostInterface}/forwarding`, "1"],
    // Strict: a pod that borrows another's address is not heard.
    [`ipv4/conf/${hostInterface}/rp_filter`, "1"],
    [`ipv4/neigh/${hostInterface}/proxy_delay`, "0"],
  ];
  return settings.map(([key, value]) => ({ op: "sysctl", key, value }));
}

/**
 * Calico's work for one pod: a link of its own with a /32 at the pod's end and a host route at the node's, so that all
 * traffic of the pod is routed. The permanent neighbour entries at both ends are an addition: real ones come from ARP,
 * which here would fill the table that all namespaces of the host share.
 */
export function calicoAttachPod(pod: CniPod, _node: CniNode, config: CniConfig): PodAttachment {
  const hostInterface = calicoHostInterface(pod.namespace, pod.name);
  const lladdr = seededLladdr(`${pod.namespace}/${pod.name}`);
  const v4 = pod.addresses.filter((address) => !address.includes(":"));
  return {
    hostInterface,
    lladdr,
    nodeOps: [
      {
        op: "veth-add",
        name: hostInterface,
        mtu: config.mtu,
        address: HOST_LLADDR,
        up: true,
        peer: { name: "eth0", namespace: pod.netns, mtu: config.mtu, address: lladdr },
      },
      ...v4.flatMap((address): NetOp[] => [
        { op: "route-add", to: `${address}/32`, dev: hostInterface, scope: "link" },
        { op: "neigh-add", dev: hostInterface, address, lladdr },
      ]),
      // The router at this end needs none, and it would cost each pod duplicate address detection and a multicast report.
      { op: "link-without-ipv6-address", name: hostInterface },
      ...hostSysctls(hostInterface),
    ],
    podOps: [
      ...v4.map((address): NetOp => ({
        op: "address-add",
        dev: "eth0",
        address,
        prefixLength: 32,
      })),
      { op: "link-up", name: "eth0" },
      { op: "route-add", to: `${GATEWAY}/32`, dev: "eth0", scope: "link" },
      { op: "route-add", to: "default", via: GATEWAY, dev: "eth0" },
      { op: "neigh-add", dev: "eth0", address: GATEWAY, lladdr: HOST_LLADDR },
      { op: "sysctl", key: "ipv4/ip_forward", value: "0" },
    ],
  };
}
