import type { Span } from "../core/errors.ts";
import type { AdminPolicy } from "../kube/admin-policy-types.ts";
import type { Labels } from "../kube/selectors.ts";
import type { NetworkPolicy, Protocol } from "../kube/types.ts";

/** A namespace as policies see it; its labels include kubernetes.io/metadata.name. */
export interface OracleNamespace {
  name: string;
  labels: Labels;
}

/** A pod as policies see it. */
export interface OraclePod {
  namespace: string;
  name: string;
  labels: Labels;
  /** One a family, the primary first. */
  addresses: readonly string[];
  /** Container ports; only those with a name matter, for named ports. */
  ports: readonly { name?: string | undefined; containerPort: number; protocol: Protocol }[];
  node?: string | undefined;
  /** Such a pod is outside policy: it counts as its node. */
  hostNetwork?: boolean | undefined;
}

export interface OracleNode {
  name: string;
  addresses: readonly string[];
  /** For cluster-wide policies that pick nodes; none where nobody says. */
  labels?: Labels | undefined;
}

/** The places that a policy was read from, where they are known. */
export interface PolicyPlaces {
  span?: Span | undefined;
  /** By index of the rule in `spec.ingress` and `spec.egress`. */
  ruleSpans?: { ingress: readonly (Span | undefined)[]; egress: readonly (Span | undefined)[] } | undefined;
}

/** A NetworkPolicy with its places. */
export interface PlacedPolicy extends PolicyPlaces {
  policy: NetworkPolicy;
}

/** A cluster-wide policy with its places. */
export interface PlacedAdminPolicy extends PolicyPlaces {
  policy: AdminPolicy;
}

/** Everything a verdict depends on. */
export interface OracleWorld {
  namespaces: readonly OracleNamespace[];
  pods: readonly OraclePod[];
  nodes?: readonly OracleNode[];
  policies: readonly PlacedPolicy[];
  adminPolicies?: readonly PlacedAdminPolicy[] | undefined;
}

/** One end of a flow. An address that a pod or node of the world holds stands for that pod or node. */
export type OracleEnd =
  | { kind: "pod"; namespace: string; name: string }
  | { kind: "node"; name: string }
  | { kind: "address"; address: string };

/** A new connection, or a first datagram; replies follow what was allowed and are never judged. */
export interface OracleFlow {
  from: OracleEnd;
  to: OracleEnd;
  /** ICMP is here because labs ping; the API defines nothing for it. */
  protocol: Protocol | "ICMP";
  /** Absent for ICMP. */
  port?: number | undefined;
  /** By default that of the addresses named, else that of the destination's primary address. */
  family?: 4 | 6 | undefined;
}

export type Direction = "egress" | "ingress";

/** A rule of a policy; `index` counts from 0 in `spec.ingress` or `spec.egress`. */
export interface RuleRef<Placed extends PolicyPlaces = PlacedPolicy> {
  placed: Placed;
  direction: Direction;
  index: number;
}

/** A rule of a cluster-wide policy. */
export type AdminRuleRef = RuleRef<PlacedAdminPolicy>;

/** Where cluster-wide policies stand: before NetworkPolicies, or behind them. */
export type Tier = "Admin" | "Baseline";

/** What a rule of a cluster-wide policy does; v1alpha2 writes Accept for Allow. */
export type AdminAction = "Allow" | "Deny" | "Pass";

/** The rule that settled a side. Pass settles it in the Baseline tier only, since nothing is behind that: it allows. */
export interface AdminDecision {
  tier: Tier;
  action: AdminAction;
  rule: AdminRuleRef;
}

/** A rule that allows something near this flow: it failed by exactly one of its two conditions. */
export interface NearMiss {
  rule: RuleRef;
  missedBy: "peer" | "port";
}

/** How one end's policies judge the flow. */
export interface SideVerdict {
  direction: Direction;
  /** The pod whose policies these are. */
  pod: OraclePod;
  allowed: boolean;
  /** Policies that select the pod in this direction; it is isolated when there is one. */
  isolatedBy: readonly PlacedPolicy[];
  /** All rules that allow the flow, in the policies' order. */
  allowedBy: readonly RuleRef[];
  /** Only where nothing allows it. */
  nearMisses: readonly NearMiss[];
  /** The other end is the node that the pod runs on: allowed whatever NetworkPolicies say. */
  ownNode: boolean;
  /** The rule of a cluster-wide policy that settled it; where the Admin tier did, NetworkPolicies were not asked. */
  decidedBy?: AdminDecision | undefined;
  /** The rule of the Admin tier that passed it on to NetworkPolicies and the Baseline tier. */
  passedBy?: AdminRuleRef | undefined;
}

/**
 * Why a verdict must not be graded.
 * - `loopback`: a pod to itself; by the API never blocked, in CNIs it depends on the path taken.
 * - `own-node`: only the exemption for a pod's own node allows it; CNIs differ.
 * - `node-address`: the verdict hangs on which address a node's traffic carries, which is the CNI's choice.
 * - `protocol`: the API defines TCP, UDP and SCTP only.
 * - `equal-priority`: cluster-wide policies of one priority say different things; which one counts is left open.
 */
export type NotGradableCause = "loopback" | "own-node" | "node-address" | "protocol" | "equal-priority";

/** What the policies say of one flow. */
export interface OracleVerdict {
  flow: OracleFlow;
  allowed: boolean;
  /** The API's text, or the CNIs, leave this open; `allowed` is then only the likeliest reading. */
  notGradable?: { cause: NotGradableCause; text: string };
  /** Policies of the source; absent when the source is no pod under policy. */
  egress?: SideVerdict;
  /** Policies of the destination; absent when the destination is no pod under policy. */
  ingress?: SideVerdict;
}

/** Answers what policies say of a flow; a pure function of its world. */
export interface Oracle {
  /** Throws POLICY_UNKNOWN_END when the flow names a pod or node that the world lacks. */
  verdict(flow: OracleFlow): OracleVerdict;
}
