import type { Span } from "../core/errors.ts";
import type { Expectation, TimeLimit } from "../grade/types.ts";
import type { KubeObject } from "../kube/types.ts";

/** Who sends or receives, as a lab file names it (`shop/deployment/web`, `node/worker1`, `external`, …). */
export type EndpointRef =
  | { kind: "pod"; namespace: string; name: string }
  | {
      kind: "workload";
      namespace: string;
      workload: "deployment" | "replicaset" | "statefulset" | "daemonset";
      name: string;
    }
  | { kind: "service"; namespace: string; name: string }
  | { kind: "node"; name: string }
  /** A host outside the cluster, on a network of its own behind the node networks' router. */
  | { kind: "external" }
  /** An IP literal. */
  | { kind: "address"; address: string }
  /** A name to be resolved by the source. */
  | { kind: "host"; host: string };

export interface PlannedNetwork {
  name: string;
  /** CIDRs of the node network, one a family. */
  subnets: string[];
  /** The router's address in each. */
  gateways: string[];
  mtu: number;
}

export interface PlannedInterface {
  /** eth0, eth1, … in the order of the node's networks. */
  name: string;
  network: string;
  /** One a family, without prefix length. */
  addresses: string[];
  /** Of each address, in bits. */
  prefixLengths: number[];
  mtu: number;
}

export interface PlannedNode {
  name: string;
  role: "control-plane" | "worker";
  labels: Record<string, string>;
  taints: { key: string; value?: string; effect: string }[];
  interfaces: PlannedInterface[];
  /** The machine that the topology gives it. */
  machine?: Omit<PlannedMachine, "node">;
}

export interface PlannedTopology {
  name: string;
  networks: PlannedNetwork[];
  nodes: PlannedNode[];
}

export interface PlannedCni {
  name: string;
  mode: string;
  /** Pod network CIDRs, one a family. */
  podCidrs: string[];
  /** Pod interface MTU; by default what the CNI would compute from the nodes' smallest MTU and its overhead. */
  mtu: number;
  enforcesPolicy: boolean;
  /** Whether cluster-wide policies (policy.networking.k8s.io) count here; absent: they do not. */
  enforcesAdminPolicy?: boolean;
  options: Record<string, unknown>;
}

/** What is put on a real cluster beside its CNI. */
export type AddOn = "metallb" | "traefik" | "metrics-server" | "istio" | "gateway-api";

export interface PlannedCluster {
  /** One a family. */
  serviceCidrs: string[];
  dnsAddress: string;
  dnsDomain: string;
}

/** What only a real cluster can be told; the embedded engine has its own way or none. */
export interface PlannedRealCluster {
  kubeProxyMode: "iptables" | "nftables";
  addOns: AddOn[];
  /** kubeadm configuration documents merged into every node's, as kind's kubeadmConfigPatches takes them. */
  kubeadmPatches: string[];
  /** Ports of the host (loopback unless `listenAddress`) that lead to a node's. */
  portMappings: {
    node: string;
    containerPort: number;
    hostPort: number;
    listenAddress?: string;
    protocol: "tcp" | "udp";
  }[];
}

/** An object from a manifest, with the place it was read from. */
export interface PlannedObject {
  object: KubeObject;
  file: string;
  line: number;
  /** Where its kind is written, of a cluster-wide policy: which CNI enforces it is known to the plan alone. */
  kindSpan?: Span;
}

/** A scenario step: `kind` names its entry in src/scenarios/registry.ts, `options` is what its schema produced. */
export interface PlannedStep {
  kind: string;
  options: unknown;
  /** Objects of the manifests that the step names, read and checked at load. */
  objects: PlannedObject[];
  span?: Span;
}

/** A probe: `kind` names its entry in src/probes/registry.ts, `options` is what its schema produced. */
export interface PlannedProbe {
  name: string;
  kind: string;
  from?: EndpointRef;
  options: unknown;
  expect: Expectation;
  points?: number;
  hint?: string;
  /** The name of the fault that is there while it runs. */
  during?: string;
  /** The name of the fault after whose restore it runs. */
  after?: string;
  /** It is repeated until it is as expected, at most so long after the fault was made (`during`) or restored (`after`), else after its first try. */
  withinMs?: number;
  span?: Span;
}

/** Help for a task that a learner may ask for. */
export interface PlannedHint {
  text: string;
  /** Points that asking for it takes off the task's. */
  cost: number;
}

export interface PlannedTask {
  /** Unique in its lab. */
  name: string;
  text: string;
  /** Its points come on top of the others', and nothing of it makes the lab fail. */
  isBonus?: true;
  probes: string[];
  /** In the order in which they are shown; absent where there are none. */
  hints?: PlannedHint[];
  /** Objects of the reference solution. */
  solution: PlannedObject[];
  span?: Span;
}

/** A virtual machine that is made for a node of the lab, and ends with it. Paths are absolute. */
export interface PlannedVm {
  /** A disk with an operating system and cloud-init, qcow2 or raw; only read. */
  image: string;
  /** Booted instead of the image's boot loader, with `initrd` and the command line `append`. */
  kernel?: string | undefined;
  initrd?: string | undefined;
  append?: string | undefined;
  cpus: number;
  memoryBytes: number;
  diskBytes: number;
  /** Whether it gets further than the lab's own network. */
  internet: boolean;
}

/** A machine reached over SSH, and the node that it becomes. No field is a secret. */
export interface PlannedMachine {
  /** The node's name in the topology, and in Kubernetes. */
  node: string;
  /** What the inventory calls it. */
  name: string;
  /** Address, host name, or alias of ssh_config(5); what is left out below comes from there. */
  host: string;
  port?: number | undefined;
  user?: string | undefined;
  /** Absolute path of the private key. */
  identityFile?: string | undefined;
  /** Hops before it, `[user@]host[:port]` each. */
  jump?: string[] | undefined;
  /** Absolute path of an ssh_config(5) instead of the user's. */
  configFile?: string | undefined;
  /** Absolute path of a known_hosts file instead of those that ssh_config(5) names. */
  knownHostsFile?: string | undefined;
  /** By which other nodes reach it; absent: the one that its way to them has. */
  nodeAddress?: string | undefined;
  /** Made when the lab is; absent: it is there. Its port and keys are known when it runs. */
  vm?: PlannedVm | undefined;
}

/** Which cluster the command line means, where the provider takes one that is there. Never credentials. */
export interface PlannedAccess {
  /** Absolute path; absent: what KUBECONFIG names, as kubectl has it. */
  kubeconfig?: string;
  /** Absent: the kubeconfig's current one. */
  context?: string;
}

/** Everything a provider needs: plain data, printable, the same for every provider. */
export interface Plan {
  apiVersion: "cnilab.dev/v1alpha1";
  lab: { name: string; title: string; level?: string; minutes?: number; file: string; directory: string };
  provider: string;
  topology: PlannedTopology;
  cni: PlannedCni;
  cluster: PlannedCluster;
  /** Absent where the lab says nothing of it: nftables, no add-ons, no patches, no port mappings. */
  realCluster?: PlannedRealCluster;
  /** Absent where the command line says nothing of it. */
  access?: PlannedAccess;
  /** In the order of the topology's nodes; absent where the provider makes its nodes. */
  machines?: PlannedMachine[];
  /** The machine outside the cluster, by the node name "external", which no node has; absent where the lab needs none. */
  external?: PlannedMachine;
  /** Absent where there is none. */
  timeLimit?: TimeLimit;
  scenario: PlannedStep[];
  probes: PlannedProbe[];
  tasks: PlannedTask[];
}
