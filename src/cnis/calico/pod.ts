import { createHash } from "node:crypto";
import type { NetOp } from "../../kernel/net-ops.ts";
import { hostPrefixLength, isIpv6 } from "../families.ts";
import { seededLladdr } from "../hardware-address.ts";
import type { CniConfig, CniNode, CniPod, PodAttachment } from "../types.ts";

/** Every pod's next hop; no interface has it, the node answers ARP for it by proxy_arp. */
const GATEWAY = "169.254.1.1";

/** The node's end of every pod's link has this hardware address. */
const HOST_LLADDR = "ee:ee:ee:ee:ee:ee";

/** The next hop for IPv6: the link-local address that the node's end makes of its hardware address (RFC 4291, appendix A). */
const GATEWAY_V6 = "fe80::ecee:eeff:feee:eeee";

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

/** Calico's plugin has pods forward nothing; a new namespace has the host's value. */
export const CALICO_POD_NAMESPACE: readonly NetOp[] = [{ op: "sysctl", key: "ipv4/ip_forward", value: "0" }];

/**
 * Calico's work for one pod: a link of its own with a /32 (and a /128) at the pod's end and a host route at the node's, so that all
 * traffic of the pod is routed. The permanent neighbour entries at both ends are an addition: real ones come from ARP,
 * which here would fill the table that all namespaces of the host share.
 */
export function calicoAttachPod(pod: CniPod, _node: CniNode, config: CniConfig): PodAttachment {
  const hostInterface = calicoHostInterface(pod.namespace, pod.name);
  const lladdr = seededLladdr(`${pod.namespace}/${pod.name}`);
  const ipv6Gateway: NetOp[] = pod.addresses.some(isIpv6)
    ? [
        { op: "route-add", to: "default", via: GATEWAY_V6, dev: "eth0" },
        { op: "neigh-add", dev: "eth0", address: GATEWAY_V6, lladdr: HOST_LLADDR },
      ]
    : [];
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
      ...pod.addresses.flatMap((address): NetOp[] => [
        { op: "route-add", to: `${address}/${hostPrefixLength(address)}`, dev: hostInterface, scope: "link" },
        { op: "neigh-add", dev: hostInterface, address, lladdr },
      ]),
      // The router at this end needs none, and it would cost each pod duplicate address detection and a multicast report.
      { op: "link-without-ipv6-address", name: hostInterface },
      ...hostSysctls(hostInterface),
    ],
    podOps: [
      ...pod.addresses.map((address): NetOp => ({
        op: "address-add",
        dev: "eth0",
        address,
        prefixLength: hostPrefixLength(address),
      })),
      { op: "link-up", name: "eth0" },
      { op: "route-add", to: `${GATEWAY}/32`, dev: "eth0", scope: "link" },
      { op: "route-add", to: "default", via: GATEWAY, dev: "eth0" },
      { op: "neigh-add", dev: "eth0", address: GATEWAY, lladdr: HOST_LLADDR },
      ...ipv6Gateway,
    ],
  };
}
