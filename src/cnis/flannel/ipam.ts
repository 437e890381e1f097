import { LabError } from "../../core/errors.ts";
import {
  cidrContains,
  cidrSize,
  formatCidr,
  formatIp,
  nthAddress,
  parseCidr,
  parseIp,
  type Cidr,
} from "../../core/ip.ts";
import type { CniIpam } from "../types.ts";

/** kube-controller-manager's defaults of --node-cidr-mask-size-ipv4 and -ipv6. */
const NODE_PREFIX_LENGTHS = { 4: 24, 6: 64 } as const;

/** The gateway is the first usable address, so pods begin at the second (host-local's default range). */
const FIRST_POD_OFFSET = 2;

/** As far as numbers count; nobody gets there. */
const LARGEST_OFFSET = 2n ** 48n;

interface NodeSubnet {
  cidr: Cidr;
  /** Offset handed out last; the next search begins after it. */
  last: number;
  used: Set<number>;
}

/**
 * One /24 or /64 a node, as kube-controller-manager's node IPAM cuts them, in the order of the nodes; inside it host-local's
 * round robin: an address given back is used again only when the others have had their turn
 * (cni.dev/plugins/current/ipam/host-local). `release` of an address that is free does nothing, as CNI DEL must. Throws
 * BAD_ADDRESS for a pod network that is no CIDR.
 */
export class FlannelIpam implements CniIpam {
  private readonly subnets = new Map<string, NodeSubnet>();
  private readonly network: Cidr;

  constructor(nodes: readonly string[], podCidr: string) {
    const network = parseCidr(podCidr);
    if (network === undefined) throw new LabError("BAD_ADDRESS", `"${podCidr}" is not a CIDR`);
    this.network = network;
    for (const node of nodes) this.addNode(node);
  }

  private addNode(node: string): NodeSubnet {
    const { network } = this;
    const prefixLength = NODE_PREFIX_LENGTHS[network.family];
    const size = cidrSize({ ...network, prefixLength });
    const offset = BigInt(this.subnets.size) * size;
    if (offset + size > cidrSize(network)) {
      throw new LabError(
        "IPAM_EXHAUSTED",
        `pod network ${formatCidr(network)} has no /${prefixLength} left for node ${node}`,
        {
          hint: `flannel gives every node a /${prefixLength}: use a shorter prefix for the pod CIDR`,
        },
      );
    }
    const subnet = {
      cidr: { family: network.family, value: network.value + offset, prefixLength },
      last: FIRST_POD_OFFSET - 1,
      used: new Set<number>(),
    };
    this.subnets.set(node, subnet);
    return subnet;
  }

  assign(node: string): { address: string; addedCidr?: string } {
    const known = this.subnets.get(node);
    const subnet = known ?? this.addNode(node);
    const size = cidrSize(subnet.cidr);
    // The last one is IPv4's broadcast address; host-local leaves it out in either family.
    const end = Number(size < LARGEST_OFFSET ? size : LARGEST_OFFSET) - 1;
    const count = end - FIRST_POD_OFFSET;
    for (let step = 1; step <= count; step += 1) {
      const offset = FIRST_POD_OFFSET + ((subnet.last - FIRST_POD_OFFSET + step + count) % count);
      if (subnet.used.has(offset)) continue;
      subnet.used.add(offset);
      subnet.last = offset;
      const found = nthAddress(subnet.cidr, offset);
      const address = found === undefined ? "" : formatIp(found);
      return known === undefined ? { address, addedCidr: formatCidr(subnet.cidr) } : { address };
    }
    throw new LabError(
      "IPAM_EXHAUSTED",
      `all ${count} pod addresses of node ${node} (${this.cidrs(node).join(", ")}) are taken`,
      {
        hint: "flannel's subnet of a node does not grow: use more nodes or fewer pods",
      },
    );
  }

  release(node: string, address: string): void {
    const subnet = this.subnets.get(node);
    const parsed = parseIp(address);
    if (subnet === undefined || parsed === undefined || !cidrContains(subnet.cidr, parsed)) return;
    subnet.used.delete(Number(parsed.value - subnet.cidr.value));
  }

  cidrs(node: string): string[] {
    const subnet = this.subnets.get(node);
    return subnet === undefined ? [] : [formatCidr(subnet.cidr)];
  }
}
