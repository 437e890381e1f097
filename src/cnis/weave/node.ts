import { LabError } from "../../core/errors.ts";
import { EVERY_LLADDR } from "../../kernel/net-ops.ts";
import type { NetOp } from "../../kernel/net-ops.ts";
import { seededLladdr } from "../hardware-address.ts";
import { addressAt, parseNetwork } from "../ipv4.ts";
import type { CniConfig, CniNode, SegmentEnd } from "../types.ts";
import { FASTDP_PORT, ipsecOps, isEncrypted } from "./ipsec.ts";

/** All pods of the node are its ports, and so is the way to the other nodes. */
export const BRIDGE = "weave";

/** UDP port of the tunnel in each mode. The real sleeve has a format of its own, spoken in user space. */
const PORTS: Readonly<Record<string, number>> = { fastdp: FASTDP_PORT, sleeve: 6783 };

/** Weave writes the numbers of both peers there; a device of the kernel has one for all. */
const VNI = 1;

/** `weave expose`: the first address that the node's allocator gives, the pod network's own left out. Throws CNI_NO_POD_CIDR. */
export function bridgeAddress(node: CniNode, { podCidr }: Pick<CniConfig, "podCidr">): string {
  const [share] = node.podCidrs;
  if (share === undefined) throw new LabError("CNI_NO_POD_CIDR", `node ${node.name} has no share of the pod network`);
  return addressAt(share, parseNetwork(share).base === parseNetwork(podCidr).base ? 1 : 0);
}

export function bridgeLladdr(node: CniNode): string {
  return seededLladdr(`${BRIDGE}/${node.name}`);
}

export function weaveSegmentEnd(node: CniNode, config: CniConfig): SegmentEnd {
  return { dev: BRIDGE, address: bridgeAddress(node, config), lladdr: bridgeLladdr(node) };
}

function bridgeOps(node: CniNode, { podCidr, mtu }: CniConfig): NetOp[] {
  return [
    { op: "sysctl", key: "ipv4/ip_forward", value: "1" },
    // Without it neither weave-npc nor kube-proxy would see what pods of one node send each other (prog/weave-kube/init.sh).
    { op: "sysctl", key: "bridge/bridge-nf-call-iptables", value: "1" },
    { op: "bridge-add", name: BRIDGE, mtu, address: bridgeLladdr(node) },
    {
      op: "address-add",
      dev: BRIDGE,
      address: bridgeAddress(node, { podCidr }),
      prefixLength: parseNetwork(podCidr).prefixLength,
    },
    { op: "link-up", name: BRIDGE },
  ];
}

/**
 * A port of the bridge whose other ends are all other nodes. Hardware addresses are learnt from what arrives, as Weave's
 * router does; what has an unknown one goes to every node. No frame comes back: a tunnel hands nothing on to a tunnel.
 */
function tunnelOps(node: CniNode, others: readonly CniNode[], config: CniConfig): NetOp[] {
  const port = PORTS[config.mode];
  if (port === undefined) throw new Error(`weave has no mode ${config.mode}`);
  const name = `vxlan-${port}`;
  return [
    {
      op: "vxlan-add",
      name,
      vni: VNI,
      local: node.address,
      dev: node.dev,
      port,
      mtu: config.mtu,
      address: seededLladdr(`${name}/${node.name}`),
      learning: true,
    },
    { op: "link-set", name, master: BRIDGE },
    { op: "link-up", name },
    ...others.map((other): NetOp => ({ op: "fdb-add", dev: name, lladdr: EVERY_LLADDR, dst: other.address })),
  ];
}

/** See {@link CniDataplane.nodeOps}; docs/cnis/weave.md shows the result as iproute2 prints it. */
export function weaveNodeOps(node: CniNode, others: readonly CniNode[], config: CniConfig): NetOp[] {
  const neighbours = others.map((other): NetOp => ({ op: "neigh-add", ...weaveSegmentEnd(other, config) }));
  const ipsec = isEncrypted(config.options) ? ipsecOps(node, others) : [];
  return [...bridgeOps(node, config), ...ipsec, ...tunnelOps(node, others, config), ...neighbours];
}
