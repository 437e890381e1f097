import { createHash } from "node:crypto";
import { LabError } from "../../core/errors.ts";
import type { NetOp } from "../../kernel/net-ops.ts";
import { formatLladdr } from "../hardware-address.ts";
import { addressAt, firstAddress, IPV6_FORWARDING, isIpv6 } from "../families.ts";
import type { CniConfig, CniNode, OneFamilyNode } from "../types.ts";
import { wireguardKeys } from "../wireguard-keys.ts";

/** Felix's VXLAN devices: each family has its own, over the nodes' addresses of that family. */
const VXLAN_DEVICE = "vxlan.calico";
const VXLAN_DEVICE_V6 = "vxlan-v6.calico";

/** The driver's own first device, which Felix sets up. */
const IPIP_DEVICE = "tunl0";

/** Felix's defaults: port, table, the rule's priority and the first bit that policies leave for a mark. */
const WIREGUARD_DEVICE = "wireguard.cali";
const WIREGUARD = { port: 51820, table: 1, priority: 99, mark: 0x100000 } as const;

const VXLAN_VNI = 4096;
export const VXLAN_PORT = 4789;

/** Felix's mark on routes that other programs must leave alone; BIRD's number in rtnetlink(7). */
const FELIX_PROTOCOL = 80;
const BIRD_PROTOCOL = 12;

/**
 * The devices that packets to other nodes' pods may leave by, each with an end of its own on every node; IPv6 has the second name,
 * where it has one.
 */
export function tunnelDevices(mode: string): { ipv4: string; ipv6?: string }[] {
  switch (mode) {
    case "direct":
      return [];
    case "ipip":
      return [{ ipv4: IPIP_DEVICE }];
    case "wireguard":
      return [{ ipv4: VXLAN_DEVICE }, { ipv4: WIREGUARD_DEVICE }];
    default:
      return [{ ipv4: VXLAN_DEVICE, ipv6: VXLAN_DEVICE_V6 }];
  }
}

/** The node's end of its first tunnel: the first address of its first block. Throws CNI_NO_POD_CIDR. */
function tunnelAddress(node: OneFamilyNode): string {
  const [block] = node.podCidrs;
  if (block === undefined) throw new LabError("CNI_NO_POD_CIDR", `node ${node.name} has no IPAM block`);
  return firstAddress(block);
}

/**
 * Felix's own rule: the byte "f" (0x66) and the first five of the SHA-1 of the node's name, with "-v6" behind it for the IPv6
 * tunnel (felix/calc/vxlan_resolver.go, vtepMACForHost).
 */
function vtepLladdr(node: OneFamilyNode): string {
  const digest = createHash("sha1")
    .update(isIpv6(node.address) ? `${node.name}-v6` : node.name)
    .digest();
  return formatLladdr(new Uint8Array([0x66, ...digest.subarray(0, 5)]));
}

/** Packets to unused addresses of the node's blocks end here instead of following the default route and coming back. */
function blackholeOps(node: OneFamilyNode, protocol: number): NetOp[] {
  return node.podCidrs.map((block): NetOp => ({
    op: "route-add",
    to: block,
    type: "blackhole",
    protocol,
  }));
}

function vxlanOps(node: OneFamilyNode, others: readonly OneFamilyNode[], config: CniConfig): NetOp[] {
  const [name, prefixLength] = isIpv6(node.address) ? [VXLAN_DEVICE_V6, 128] : [VXLAN_DEVICE, 32];
  const device: NetOp[] = [
    {
      op: "vxlan-add",
      name,
      vni: VXLAN_VNI,
      local: node.address,
      dev: node.dev,
      port: VXLAN_PORT,
      mtu: config.mtu,
      address: vtepLladdr(node),
      learning: false,
    },
    { op: "address-add", dev: name, address: tunnelAddress(node), prefixLength },
    { op: "link-up", name },
  ];
  const remotes = others.flatMap((other): NetOp[] => {
    const isDirect = config.mode !== "vxlan" && other.subnet === node.subnet;
    const lladdr = vtepLladdr(other);
    return [
      { op: "neigh-add", dev: name, address: tunnelAddress(other), lladdr },
      { op: "fdb-add", dev: name, lladdr, dst: other.address },
      ...other.podCidrs.map((block): NetOp =>
        isDirect
          ? {
              op: "route-add",
              to: block,
              via: other.address,
              dev: node.dev,
              protocol: FELIX_PROTOCOL,
              onlink: true,
            }
          : {
              op: "route-add",
              to: block,
              via: tunnelAddress(other),
              dev: name,
              onlink: true,
            },
      ),
    ];
  });
  return [...device, ...remotes];
}

/**
 * Beside the routes of cross-subnet there is a table of WireGuard's, which all that is not its own packets asks first: other
 * nodes' blocks go through the device, to the peer whose allowed IPs they are (felix/wireguard/wireguard.go).
 */
function wireguardOps(node: OneFamilyNode, others: readonly OneFamilyNode[], config: CniConfig): NetOp[] {
  const dev = WIREGUARD_DEVICE;
  const { port, table, priority, mark } = WIREGUARD;
  const [block = ""] = node.podCidrs;
  return [
    // The reverse path of what came in encrypted is looked up with its mark, too.
    { op: "sysctl", key: "ipv4/conf/all/src_valid_mark", value: "1" },
    { op: "wireguard-add", name: dev, mtu: config.mtu },
    { op: "wireguard-set", dev, privateKey: wireguardKeys(node.name, dev).privateKey, port, fwmark: mark },
    { op: "address-add", dev, address: addressAt(block, 1), prefixLength: 32 },
    { op: "link-up", name: dev },
    { op: "rule-add", priority, notMark: mark, table },
    ...others.flatMap((other) =>
      other.podCidrs.flatMap((allowed): NetOp[] => [
        {
          op: "wireguard-peer",
          dev,
          publicKey: wireguardKeys(other.name, dev).publicKey,
          endpoint: other.address,
          port,
          allowed,
        },
        { op: "route-add", to: allowed, dev, protocol: FELIX_PROTOCOL, table },
      ]),
    ),
  ];
}

/** Calico's BIRD gives routes that it learnt to the tunnel, their next hop being the other node itself, wherever it is. */
function ipipOps(node: OneFamilyNode, others: readonly OneFamilyNode[], config: CniConfig): NetOp[] {
  return [
    { op: "ipip-add", name: IPIP_DEVICE },
    { op: "link-set", name: IPIP_DEVICE, mtu: config.mtu },
    { op: "address-add", dev: IPIP_DEVICE, address: tunnelAddress(node), prefixLength: 32 },
    { op: "link-up", name: IPIP_DEVICE },
    ...others.flatMap((other) =>
      other.podCidrs.map((block): NetOp => ({
        op: "route-add",
        to: block,
        via: other.address,
        dev: IPIP_DEVICE,
        protocol: BIRD_PROTOCOL,
        onlink: true,
      })),
    ),
  ];
}

/** BIRD's iBGP mesh: a next hop in another subnet is resolved recursively, which gives the way to it: the router. */
function bgpOps(node: OneFamilyNode, others: readonly OneFamilyNode[]): NetOp[] {
  return others.flatMap((other) => {
    const via = other.subnet === node.subnet ? other.address : node.gateway;
    return other.podCidrs.map((block): NetOp => ({
      op: "route-add",
      to: block,
      via,
      dev: node.dev,
      protocol: BIRD_PROTOCOL,
    }));
  });
}

/** See {@link CniDataplane.nodeOps}; docs/cnis/calico.md shows the result as iproute2 prints it. */
export function calicoNodeOps(node: CniNode, others: readonly CniNode[], config: CniConfig): NetOp[] {
  const { ipv6 } = node;
  return [
    { op: "sysctl", key: "ipv4/ip_forward", value: "1" },
    ...(ipv6 === undefined ? [] : [IPV6_FORWARDING]),
    ...familyOps(node, others, config),
    ...(ipv6 === undefined
      ? []
      : familyOps(
          ipv6,
          others.flatMap((other) => other.ipv6 ?? []),
          config,
        )),
  ];
}

function familyOps(node: OneFamilyNode, others: readonly OneFamilyNode[], config: CniConfig): NetOp[] {
  switch (config.mode) {
    case "direct":
      return [...bgpOps(node, others), ...blackholeOps(node, BIRD_PROTOCOL)];
    case "ipip":
      return [...ipipOps(node, others, config), ...blackholeOps(node, BIRD_PROTOCOL)];
    case "wireguard":
      return [
        ...vxlanOps(node, others, config),
        ...blackholeOps(node, FELIX_PROTOCOL),
        ...wireguardOps(node, others, config),
      ];
    default:
      return [...vxlanOps(node, others, config), ...blackholeOps(node, FELIX_PROTOCOL)];
  }
}
