import type { KubeObject, LabelSelector, Protocol } from "./types.ts";

/**
 * The cluster-wide policies of policy.networking.k8s.io (kubernetes-sigs/network-policy-api): AdminNetworkPolicy and
 * BaselineAdminNetworkPolicy of v1alpha1, ClusterNetworkPolicy of v1alpha2.
 */
export const ADMIN_POLICY_VERSIONS = {
  AdminNetworkPolicy: "policy.networking.k8s.io/v1alpha1",
  BaselineAdminNetworkPolicy: "policy.networking.k8s.io/v1alpha1",
  ClusterNetworkPolicy: "policy.networking.k8s.io/v1alpha2",
} as const;

export type AdminPolicyKind = keyof typeof ADMIN_POLICY_VERSIONS;

export const ADMIN_POLICY_KINDS = Object.keys(ADMIN_POLICY_VERSIONS) as AdminPolicyKind[];

/** Pods by their namespaces' labels and their own; v1alpha1 demands both selectors. */
export interface NamespacedPods {
  namespaceSelector?: LabelSelector;
  podSelector: LabelSelector;
}

/** Exactly one of the two. */
export interface AdminSubject {
  namespaces?: LabelSelector;
  pods?: NamespacedPods;
}

/** Exactly one of all; the last three in egress only. */
export interface AdminPeer extends AdminSubject {
  nodes?: LabelSelector;
  /** CIDRs. */
  networks?: string[];
  domainNames?: string[];
}

/** An item of v1alpha1's `ports`; exactly one. */
export interface AdminPort {
  portNumber?: { protocol?: Protocol; port: number };
  portRange?: { protocol?: Protocol; start: number; end: number };
  namedPort?: string;
}

/** One protocol of v1alpha2's `protocols`. */
export interface AdminProtocolMatch {
  destinationPort?: { number?: number; range?: { start: number; end: number } };
}

/** An item of v1alpha2's `protocols`; exactly one. */
export interface AdminProtocol {
  tcp?: AdminProtocolMatch;
  udp?: AdminProtocolMatch;
  sctp?: AdminProtocolMatch;
  destinationNamedPort?: string;
}

/** A rule of any of the three kinds, in either direction. */
export interface AdminRule {
  name?: string;
  /** "Allow" in v1alpha1 is "Accept" in v1alpha2. */
  action: "Allow" | "Accept" | "Deny" | "Pass";
  from?: AdminPeer[];
  to?: AdminPeer[];
  ports?: AdminPort[];
  protocols?: AdminProtocol[];
}

/** A policy of any of the three kinds; all are cluster-wide. */
export interface AdminPolicy extends KubeObject {
  kind: AdminPolicyKind;
  spec: {
    /** ClusterNetworkPolicy only. */
    tier?: "Admin" | "Baseline";
    /** 0 to 1000, lower first; a BaselineAdminNetworkPolicy, of which there is only one, has none. */
    priority?: number;
    subject: AdminSubject;
    ingress?: AdminRule[];
    egress?: AdminRule[];
  };
}

/** Whether an object is one of the three kinds, in the version that is read here. */
export function isAdminPolicy(object: KubeObject): object is AdminPolicy {
  return (
    Object.hasOwn(ADMIN_POLICY_VERSIONS, object.kind) &&
    ADMIN_POLICY_VERSIONS[object.kind as AdminPolicyKind] === object.apiVersion
  );
}
