import type * as z from "zod";
import type { PolicyEnforcer } from "../engine/nft/policy-enforcer.ts";
import type { NetOp } from "../kernel/net-ops.ts";
import type { KubeObject } from "../kube/types.ts";
import type { PlannedNode } from "../plan/types.ts";

export interface CniMode {
  name: string;
  summary: string;
  /** Bytes of encapsulation that the pod MTU leaves room for; 0 where pods route directly. */
  overheadBytes: number;
  /** The same on a dual-stack cluster, or why there is none with this mode. */
  dualStack: { overheadBytes: number } | { lacking: string };
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
  /** Pod CIDRs this node holds now (flannel: one /24; calico: its /26 blocks, more as pods come; weave: its share). */
  podCidrs: string[];
  /** The same of IPv6, on a dual-stack cluster. */
  ipv6?: OneFamilyNode;
}

/** What a node is in one address family. */
export type OneFamilyNode = Omit<CniNode, "ipv6">;

/** The address allocation of one cluster in one family; holds state, makes no I/O. */
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

/** A node on the segment that its pods are on. */
export interface SegmentEnd {
  dev: string;
  address: string;
  lladdr: string;
}

/**
 * How a CNI's data plane is modelled by the embedded engine: pure functions from cluster facts to network
 * configuration. Facts and their sources are on the CNI's page in docs/cnis/.
 */
export interface CniDataplane {
  /**
   * Pods that find each other by ARP, if any, and so have their entries pinned (see {@link CniPod.neighbours}): those of a node,
   * or, where all nodes share one segment, those of the cluster; `end` is then a node's own place on it.
   */
  segment: "none" | "node" | { end(node: CniNode, config: CniConfig): SegmentEnd };
  /**
   * Splits the pod network `podCidr` among the nodes, in their order; addresses come in the order the real IPAM gives them. On
   * a dual-stack cluster there is a second one, with the IPv6 network as `podCidr`.
   */
  ipam(nodes: readonly PlannedNode[], config: CniConfig): CniIpam;
  /**
   * Links, routes, neighbours and sysctls of one node towards the others, from nothing. Called again when a node joins
   * or takes a block: the engine applies the ops that were not there before, so equal state must give equal ops.
   */
  nodeOps(node: CniNode, others: readonly CniNode[], config: CniConfig): NetOp[];
  /** What every pod's namespace gets before it has a link of its own. */
  podNamespaceOps?: readonly NetOp[];
  attachPod(pod: CniPod, node: CniNode, config: CniConfig): PodAttachment;
  /** nft commands for the node beyond policy: masquerading of what leaves the pod network. Full text of its own table. */
  nodeNft(node: CniNode, config: CniConfig): string;
  /** What the kernel must have for a mode and its options, beside what every lab needs. */
  kernel?(config: Pick<CniConfig, "mode" | "options">): readonly KernelFeature[];
  /** Present where the CNI enforces policy. */
  policy?: PolicyEnforcer;
  /** Why the model lacks what these options ask for in a mode; undefined where it does not. */
  lacks?(config: Pick<CniConfig, "mode" | "options">): string | undefined;
}

export interface CniConfig {
  mode: string;
  podCidr: string;
  /** The pod network's IPv6 part, on a dual-stack cluster. */
  ipv6PodCidr?: string;
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
  /** Who else is on the pod's segment: permanent entries, since learnt ones would overflow the ARP table that all namespaces share. */
  neighbours?: { address: string; lladdr: string }[];
}

/** What the kernel of every node must have, as a module or built in; preflight names what is missing. */
export type KernelFeature = "vxlan" | "ipip" | "wireguard" | "openvswitch" | "esp" | LinkShaper;

/** Queueing disciplines that a lab's faults are made with. */
export type LinkShaper = "netem" | "tbf";

/** A change to an upstream manifest, declared and shown to the user. */
export interface ManifestPatch {
  /** "ConfigMap kube-flannel-cfg: Network is 10.244.0.0/16". */
  what: string;
  why: string;
}

/** A port that nodes reach on each other. */
export interface NodePort {
  protocol: "tcp" | "udp";
  port: number;
  /** What listens there: "BGP". */
  what: string;
}

/** One mode of a CNI on a real cluster. */
export interface InstallMode {
  /** The upstream manifest's name in src/supplies/lock.json. */
  manifest: string;
  kernel: readonly KernelFeature[];
  /** What agents and tunnels of this mode listen on. */
  ports: readonly NodePort[];
  /** What the option `encrypted` needs beside `kernel`. */
  encryptedKernel?: readonly KernelFeature[];
}

/** What {@link CniInstall.patch} knows of the cluster. */
export interface InstallConfig extends CniConfig {
  /** For CNIs that encrypt by a shared password: random, drawn anew for each cluster. */
  password: string;
}

/** How a CNI is installed on a real cluster. */
export interface CniInstall {
  /** The upstream release of the manifests; beside {@link Cni.version}, which the embedded engine follows. */
  version: string;
  /** Whether that release enforces the cluster-wide policies of policy.networking.k8s.io. */
  enforcesAdminPolicy: boolean;
  /** Modes that can be made, each with what it needs. */
  modes: Readonly<Record<string, InstallMode>>;
  /** The DaemonSet whose pod on each node is the agent. */
  agent: { namespace: string; daemonSet: string };
  /** Plugins of containernetworking/plugins that the CNI calls and does not bring: files of /opt/cni/bin. */
  plugins: readonly string[];
  /**
   * Rules that the agent adds to a node when it first needs them, never takes away and counts on from then on, as lines of
   * `iptables TABLE RULE` (iptables-save). A reset leaves them: without them the agent would no longer enforce.
   */
  lastingRules?: readonly RegExp[];
  /** Pure: the manifest's objects as they are to be applied, in order, and the patches made. Throws CNI_MANIFEST_UNEXPECTED. */
  patch(objects: readonly KubeObject[], config: InstallConfig): { objects: KubeObject[]; patches: ManifestPatch[] };
}

/** A CNI: what it is, what it enforces, its modes, its addressing; how each provider installs it. */
export interface Cni {
  name: string;
  summary: string;
  /** The upstream release whose behaviour is followed. */
  version: string;
  defaultPodCidr: string;
  enforcesPolicy: boolean;
  /** Whether the model enforces the cluster-wide policies of policy.networking.k8s.io; of real clusters `install` says it. */
  enforcesAdminPolicy: boolean;
  defaultMode: string;
  modes: readonly CniMode[];
  /** The embedded engine's model; undefined where there is none yet. */
  dataplane: CniDataplane | undefined;
  /** Schema of the lab file's `cni.options`; absent where the CNI has none. */
  options?: z.ZodObject;
  /** How real clusters get it. */
  install: CniInstall;
}

export function defineCni(cni: Cni): Cni {
  return cni;
}
