import { LabError } from "../../core/errors.ts";
import type { NetOp } from "../../kernel/net-ops.ts";
import { bridgedLladdr, seededLladdr } from "../hardware-address.ts";
import { addressAt, parseNetwork } from "../ipv4.ts";
import type { CniConfig, CniNode } from "../types.ts";

/** The bridge that the delegated `bridge` plugin makes; all pods of the node are its ports. */
export const BRIDGE = "cni0";

const VXLAN_DEVICE = "flannel.1";
const VXLAN_VNI = 1;
/** flannel leaves the port to the kernel, whose default predates the IANA assignment (4789). */
const VXLAN_PORT = 8472;

/** The node's one /24; throws CNI_NO_POD_CIDR. */
export function nodeSubnet(node: CniNode): string {
  const [cidr] = node.podCidrs;
  if (cidr === undefined) throw new LabError("CNI_NO_POD_CIDR", `node ${node.name} has no pod CIDR`);
  return cidr;
}

/** The address of cni0, which is every pod's default gateway: the first usable one of the node's subnet. */
export function bridgeAddress(node: CniNode): string {
  return addressAt(nodeSubnet(node), 1);
}

function vtepLladdr(node: CniNode): string {
  return seededLladdr(`${VXLAN_DEVICE}/${node.name}`);
}

function bridgeOps(node: CniNode, config: CniConfig): NetOp[] {
  const address = bridgeAddress(node);
  const { prefixLength } = parseNetwork(nodeSubnet(node));
  return [
    { op: "sysctl", key: "ipv4/ip_forward", value: "1" },
    { op: "bridge-add", name: BRIDGE, mtu: config.mtu, address: bridgedLladdr(address) },
    { op: "address-add", dev: BRIDGE, address, prefixLength },
    { op: "link-up", name: BRIDGE },
  ];
}

function vxlanOps(node: CniNode, others: readonly CniNode[], config: CniConfig): NetOp[] {
  const device: NetOp[] = [
    {
      op: "vxlan-add",
      name: VXLAN_DEVICE,
      vni: VXLAN_VNI,
      local: node.address,
      dev: node.dev,
      port: VXLAN_PORT,
      mtu: config.mtu,
      address: vtepLladdr(node),
      learning: false,
    },
    // A /32, so that no subnet or broadcast route comes with it; it is the source of what the node sends to pods.
    {
      op: "address-add",
      dev: VXLAN_DEVICE,
      address: addressAt(nodeSubnet(node), 0),
      prefixLength: 32,
    },
    { op: "link-up", name: VXLAN_DEVICE },
  ];
  const remotes = others.flatMap((other): NetOp[] => {
    const tunnelAddress = addressAt(nodeSubnet(other), 0);
    const lladdr = vtepLladdr(other);
    return [
      { op: "neigh-add", dev: VXLAN_DEVICE, address: tunnelAddress, lladdr },
      { op: "fdb-add", dev: VXLAN_DEVICE, lladdr, dst: other.address },
      {
        op: "route-add",
        to: nodeSubnet(other),
        via: tunnelAddress,
        dev: VXLAN_DEVICE,
        onlink: true,
      },
    ];
  });
  return [...device, ...remotes];
}

/** flanneld's routes are not onlink: the kernel refuses a next hop outside the node's subnet, so it has no route. */
function hostGatewayOps(node: CniNode, others: readonly CniNode[]): NetOp[] {
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
  const overlay = config.mode === "host-gw" ? hostGatewayOps(node, others) : vxlanOps(node, others, config);
  return [...bridgeOps(node, config), ...overlay];
}
