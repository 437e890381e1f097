import type { NetOp } from "../kernel/net-ops.ts";
import type { PlannedNode } from "../plan/types.ts";

export interface CniMode {
  name: string;
  summary: string;
  /** Bytes of encapsulation that the pod MTU leaves room for; 0 where pods route directly. */
  overheadBytes: number;
}

/** A node as the CNI sees it while a cluster is up. */
export interface CniNode {
  name: string;
  /** Primary node address (InternalIP), IPv4. */
  address: string;
  /** CIDR of the node network that address is in. */
  subnet: string;
  /** Interface that holds it. */
  dev: string;
  /** The node network's router. */
  gateway: string;
  /** Pod CIDRs this node holds now (flannel: one /24; calico: its /26 blocks, more as pods come). */
  podCidrs: string[];
}

/** The address allocation of one cluster; holds state, makes no I/O. */
export interface CniIpam {
  /** An address for a pod on the node; `addedCidr` when the node had to take a new block. Throws IPAM_EXHAUSTED. */
  assign(node: string): { address: string; addedCidr?: string };
  release(node: string, address: string): void;
  /** Pod CIDRs of the node, in the order it got them. */
  cidrs(node: string): string[];
}

export interface PodAttachment {
  /** What the pod's network namespace gets. */
  podOps: NetOp[];
  /** What the node's namespace gets; begins with the veth pair. */
  nodeOps: NetOp[];
  /** Name of the node's end of the pod's link. */
  hostInterface: string;
  /** Hardware address of the pod's end: what other pods of the node get as {@link CniPod.neighbours}. */
  lladdr: string;
}

/**
 * How a CNI's data plane is modelled by the embedded engine: pure functions from cluster facts to network
 * configuration. Facts and their sources are on the CNI's page in docs/cnis/.
 */
export interface CniDataplane {
  /** Pods of a node reach each other by ARP: their entries are pinned, see {@link CniPod.neighbours}. */
  bridgesPods: boolean;
  /** Splits the pod network among the nodes, in their order; addresses come in the order the real IPAM gives them. */
  ipam(nodes: readonly PlannedNode[], config: CniConfig): CniIpam;
  /**
   * Links, routes, neighbours and sysctls of one node towards the others, from nothing. Called again when a node joins
   * or takes a block: the engine applies the ops that were not there before, so equal state must give equal ops.
   */
  nodeOps(node: CniNode, others: readonly CniNode[], config: CniConfig): NetOp[];
  attachPod(pod: CniPod, node: CniNode, config: CniConfig): PodAttachment;
  /** nft commands for the node beyond policy: masquerading of what leaves the pod network. Full text of its own table. */
  nodeNft(node: CniNode, config: CniConfig): string;
}

export interface CniConfig {
  mode: string;
  podCidr: string;
  serviceCidr: string;
  /** MTU of pod interfaces and of the overlay device. */
  mtu: number;
  options: Record<string, unknown>;
}

export interface CniPod {
  namespace: string;
  name: string;
  uid: string;
  /** One a family. */
  addresses: string[];
  /** Key of the pod's network namespace for `veth-add`. */
  netns: string;
  /** The node's other pods; flannel's bridge pins their neighbour entries where ARP tables would overflow. */
  neighbours?: { address: string; lladdr: string }[];
}

/** A CNI: what it is, what it enforces, its modes, its addressing; how each provider installs it. */
export interface Cni {
  name: string;
  summary: string;
  /** The upstream release whose behaviour is followed. */
  version: string;
  defaultPodCidr: string;
  enforcesPolicy: boolean;
  defaultMode: string;
  modes: readonly CniMode[];
  /** The embedded engine's model; undefined where there is none yet. */
  dataplane: CniDataplane | undefined;
}

export function defineCni(cni: Cni): Cni {
  return cni;
}
