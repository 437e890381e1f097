import { LabError } from "../../core/errors.ts";
import { formatAddress, formatNetwork, parseAddress, parseNetwork } from "../ipv4.ts";
import type { CniIpam } from "../types.ts";

/** kube-controller-manager's default --node-cidr-mask-size for IPv4. */
const NODE_PREFIX_LENGTH = 24;

/** The gateway is the first usable address, so pods begin at the second (host-local's default range). */
const FIRST_POD_OFFSET = 2;

interface NodeSubnet {
  base: number;
  /** Offset handed out last; the next search begins after it. */
  last: number;
  used: Set<number>;
}

/**
 * One /24 a node, as kube-controller-manager's node IPAM cuts them, in the order of the nodes; inside it host-local's
 * round robin: an address given back is used again only when the others have had their turn
 * (cni.dev/plugins/current/ipam/host-local). `release` of an address that is free does nothing, as CNI DEL must.
 */
export class FlannelIpam implements CniIpam {
  private readonly subnets = new Map<string, NodeSubnet>();
  private readonly podCidr: string;

  constructor(nodes: readonly string[], podCidr: string) {
    this.podCidr = podCidr;
    for (const node of nodes) this.addNode(node);
  }

  private addNode(node: string): NodeSubnet {
    const network = parseNetwork(this.podCidr);
    const size = 2 ** (32 - NODE_PREFIX_LENGTH);
    const offset = this.subnets.size * size;
    if (offset + size > network.size) {
      throw new LabError(
        "IPAM_EXHAUSTED",
        `pod network ${this.podCidr} has no /${NODE_PREFIX_LENGTH} left for node ${node}`,
        {
          hint: `flannel gives every node a /${NODE_PREFIX_LENGTH}: use a shorter prefix for the pod CIDR`,
        },
      );
    }
    const subnet = {
      base: network.base + offset,
      last: FIRST_POD_OFFSET - 1,
      used: new Set<number>(),
    };
    this.subnets.set(node, subnet);
    return subnet;
  }

  assign(node: string): { address: string; addedCidr?: string } {
    const known = this.subnets.get(node);
    const subnet = known ?? this.addNode(node);
    const end = 2 ** (32 - NODE_PREFIX_LENGTH) - 1;
    const count = end - FIRST_POD_OFFSET;
    for (let step = 1; step <= count; step += 1) {
      const offset = FIRST_POD_OFFSET + ((subnet.last - FIRST_POD_OFFSET + step + count) % count);
      if (subnet.used.has(offset)) continue;
      subnet.used.add(offset);
      subnet.last = offset;
      const address = formatAddress(subnet.base + offset);
      return known === undefined ? { address, addedCidr: formatNetwork(subnet.base, NODE_PREFIX_LENGTH) } : { address };
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
    subnet?.used.delete(parseAddress(address) - subnet.base);
  }

  cidrs(node: string): string[] {
    const subnet = this.subnets.get(node);
    return subnet === undefined ? [] : [formatNetwork(subnet.base, NODE_PREFIX_LENGTH)];
  }
}
