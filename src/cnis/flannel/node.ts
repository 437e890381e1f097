import { LabError } from "../../core/errors.ts";
import type { NetOp } from "../../kernel/net-ops.ts";
import { addressAt, firstAddress, hostPrefixLength, IPV6_FORWARDING, isIpv6 } from "../families.ts";
import { bridgedLladdr, seededLladdr } from "../hardware-address.ts";
import type { CniConfig, CniNode, OneFamilyNode } from "../types.ts";
import { wireguardKeys } from "../wireguard-keys.ts";

/** The bridge that the delegated `bridge` plugin makes; all pods of the node are its ports. */
export const BRIDGE = "cni0";

const VXLAN_DEVICE = "flannel.1";
/** IPv6 pods go by a tunnel of their own, over the nodes' IPv6 addresses. */
const VXLAN_DEVICE_V6 = "flannel-v6.1";
const VXLAN_VNI = 1;
/** flannel leaves the port to the kernel, whose default predates the IANA assignment (4789). */
const VXLAN_PORT = 8472;

/** pkg/backend/wireguard: the tunnel of IPv6 pods is a second device, with the port behind the first one's. */
const WIREGUARD = { device: "flannel-wg", port: 51820 } as const;
const WIREGUARD_V6 = { device: "flannel-wg-v6", port: 51821 } as const;

/** The node's one /24, or /64; throws CNI_NO_POD_CIDR. */
export function nodeSubnet(node: OneFamilyNode): string {
  const [cidr] = node.podCidrs;
  if (cidr === undefined) throw new LabError("CNI_NO_POD_CIDR", `node ${node.name} has no pod CIDR`);
  return cidr;
}

/** The address of cni0, which is every pod's default gateway: the first usable one of the node's subnet. */
export function bridgeAddress(node: OneFamilyNode): string {
  return addressAt(nodeSubnet(node), 1);
}

/** In bits, of the node's subnet. */
export function subnetPrefixLength(node: OneFamilyNode): number {
  return Number(nodeSubnet(node).split("/")[1]);
}

function vxlanDevice({ address }: OneFamilyNode): string {
  return isIpv6(address) ? VXLAN_DEVICE_V6 : VXLAN_DEVICE;
}

function vtepLladdr(node: OneFamilyNode): string {
  return seededLladdr(`${vxlanDevice(node)}/${node.name}`);
}

function bridgeOps(node: CniNode, config: CniConfig): NetOp[] {
  const families = node.ipv6 === undefined ? [node] : [node, node.ipv6];
  return [
    { op: "sysctl", key: "ipv4/ip_forward", value: "1" },
    ...(node.ipv6 === undefined ? [] : [IPV6_FORWARDING]),
    { op: "bridge-add", name: BRIDGE, mtu: config.mtu, address: bridgedLladdr(bridgeAddress(node)) },
    ...families.map((each): NetOp => ({
      op: "address-add",
      dev: BRIDGE,
      address: bridgeAddress(each),
      prefixLength: subnetPrefixLength(each),
    })),
    { op: "link-up", name: BRIDGE },
  ];
}

function vxlanOps(node: OneFamilyNode, others: readonly OneFamilyNode[], config: CniConfig): NetOp[] {
  const name = vxlanDevice(node);
  const tunnel = firstAddress(nodeSubnet(node));
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
    // A /32 (/128), so that no subnet or broadcast route comes with it; it is the source of what the node sends to pods.
    {
      op: "address-add",
      dev: name,
      address: tunnel,
      prefixLength: hostPrefixLength(tunnel),
    },
    { op: "link-up", name },
  ];
  const remotes = others.flatMap((other): NetOp[] => {
    const tunnelAddress = firstAddress(nodeSubnet(other));
    const lladdr = vtepLladdr(other);
    return [
      { op: "neigh-add", dev: name, address: tunnelAddress, lladdr },
      { op: "fdb-add", dev: name, lladdr, dst: other.address },
      {
        op: "route-add",
        to: nodeSubnet(other),
        via: tunnelAddress,
        dev: name,
        onlink: true,
      },
    ];
  });
  return [...device, ...remotes];
}

/** One device to all peers, and one route to the pod network through it: a peer's key decides which packets are its own. */
function wireguardOps(node: OneFamilyNode, others: readonly OneFamilyNode[], config: CniConfig): NetOp[] {
  const isV6 = isIpv6(node.address);
  const { device, port } = isV6 ? WIREGUARD_V6 : WIREGUARD;
  const tunnel = firstAddress(nodeSubnet(node));
  return [
    { op: "wireguard-add", name: device, mtu: config.mtu },
    { op: "wireguard-set", dev: device, privateKey: wireguardKeys(node.name, device).privateKey, port },
    ...others.map((other): NetOp => ({
      op: "wireguard-peer",
      dev: device,
      publicKey: wireguardKeys(other.name, device).publicKey,
      endpoint: other.address,
      port,
      allowed: nodeSubnet(other),
    })),
    { op: "address-add", dev: device, address: tunnel, prefixLength: hostPrefixLength(tunnel) },
    { op: "link-up", name: device },
    { op: "route-add", to: (isV6 ? config.ipv6PodCidr : undefined) ?? config.podCidr, dev: device },
  ];
}

/** flanneld's routes are not onlink: the kernel refuses a next hop outside the node's subnet, so it has no route. */
function hostGatewayOps(node: OneFamilyNode, others: readonly OneFamilyNode[]): NetOp[] {
  return others
    .filter((other) => other.subnet === node.subnet)
    .map((other): NetOp => ({
      op: "route-add",
      to: nodeSubnet(other),
      via: other.address,
      dev: node.dev,
    }));
}

/** See {@link CniDataplane.nodeOps}; docs/cnis/flannel.md shows the result as iproute2 prints it. */
export function flannelNodeOps(node: CniNode, others: readonly CniNode[], config: CniConfig): NetOp[] {
  const overlay = (one: OneFamilyNode, rest: readonly OneFamilyNode[]): NetOp[] => {
    if (config.mode === "host-gw") return hostGatewayOps(one, rest);
    return config.mode === "wireguard" ? wireguardOps(one, rest, config) : vxlanOps(one, rest, config);
  };
  const ipv6 =
    node.ipv6 === undefined
      ? []
      : overlay(
          node.ipv6,
          others.flatMap((other) => other.ipv6 ?? []),
        );
  return [...bridgeOps(node, config), ...overlay(node, others), ...ipv6];
}
