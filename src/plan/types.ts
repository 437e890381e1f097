import type { Span } from "../core/errors.ts";
import type { Expectation } from "../grade/types.ts";
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
  /** IPv4 CIDR of the node network. */
  subnet: string;
  /** The router's address in it. */
  gateway: string;
  mtu: number;
}

export interface PlannedInterface {
  /** eth0, eth1, … in the order of the node's networks. */
  name: string;
  network: string;
  /** One a family, without prefix length. */
  addresses: string[];
  prefixLength: number;
  mtu: number;
}

export interface PlannedNode {
  name: string;
  role: "control-plane" | "worker";
  labels: Record<string, string>;
  taints: { key: string; value?: string; effect: string }[];
  interfaces: PlannedInterface[];
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
  options: Record<string, unknown>;
}

export interface PlannedCluster {
  serviceCidrs: string[];
  dnsAddress: string;
  dnsDomain: string;
}

/** An object from a manifest, with the place it was read from. */
export interface PlannedObject {
  object: KubeObject;
  file: string;
  line: number;
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
  span?: Span;
}

export interface PlannedTask {
  text: string;
  probes: string[];
  /** Objects of the reference solution. */
  solution: PlannedObject[];
  span?: Span;
}

/** Everything a provider needs: plain data, printable, the same for every provider. */
export interface Plan {
  apiVersion: "cnilab.dev/v1alpha1";
  lab: { name: string; title: string; level?: string; minutes?: number; file: string; directory: string };
  provider: string;
  topology: PlannedTopology;
  cni: PlannedCni;
  cluster: PlannedCluster;
  scenario: PlannedStep[];
  probes: PlannedProbe[];
  tasks: PlannedTask[];
}
