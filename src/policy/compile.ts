import { LabError } from "../core/errors.ts";
import { type Cidr, parseCidr } from "../core/ip.ts";
import type {
  IPBlock,
  LabelSelector,
  NetworkPolicyEgressRule,
  NetworkPolicyIngressRule,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  Protocol,
} from "../kube/types.ts";
import type { AdminRuleRef, Direction, PlacedPolicy, RuleRef } from "./types.ts";

/** One item of a rule's `from` or `to`. */
export type CompiledPeer =
  | { kind: "pods"; namespace: string | LabelSelector; pods: LabelSelector }
  | { kind: "block"; block: Cidr; except: readonly Cidr[] };

/** One item of a rule's `ports`; undefined port means every port of the protocol. */
export interface CompiledPort {
  protocol: Protocol;
  port: { from: number; to: number } | { name: string } | undefined;
}

/** A rule with its defaults filled in; undefined peers or ports mean all. */
export interface CompiledRule<Ref extends RuleRef | AdminRuleRef = RuleRef> {
  ref: Ref;
  peers: readonly CompiledPeer[] | undefined;
  ports: readonly CompiledPort[] | undefined;
}

/** A policy with its defaults filled in; a direction that it does not affect is undefined. */
export interface CompiledPolicy {
  placed: PlacedPolicy;
  namespace: string;
  selector: LabelSelector;
  ingress: readonly CompiledRule[] | undefined;
  egress: readonly CompiledRule[] | undefined;
}

/**
 * Fills in the defaults of networking.k8s.io/v1 NetworkPolicySpec. Throws POLICY_INVALID for what the API server would
 * refuse and would change the meaning here: an empty peer, an ipBlock beside selectors, a CIDR that is none, a bad endPort.
 */
export function compilePolicy(placed: PlacedPolicy): CompiledPolicy {
  const { metadata, spec } = placed.policy;
  const namespace = metadata.namespace ?? "default";
  const directions = affectedDirections(placed);
  return {
    placed,
    namespace,
    selector: spec.podSelector ?? {},
    ingress: directions.has("ingress")
      ? (spec.ingress ?? []).map((rule, index) => compileRule(placed, namespace, "ingress", index, rule))
      : undefined,
    egress: directions.has("egress")
      ? (spec.egress ?? []).map((rule, index) => compileRule(placed, namespace, "egress", index, rule))
      : undefined,
  };
}

/**
 * Without policyTypes every policy affects ingress, and egress too when it has an egress rule: `egress: []` alone does
 * not count (SetDefaults_NetworkPolicy looks at the length).
 */
function affectedDirections({ policy: { spec } }: PlacedPolicy): Set<Direction> {
  if (spec.policyTypes !== undefined && spec.policyTypes.length > 0) {
    return new Set(spec.policyTypes.map((type) => (type === "Ingress" ? "ingress" : "egress")));
  }
  return new Set<Direction>((spec.egress ?? []).length > 0 ? ["ingress", "egress"] : ["ingress"]);
}

function compileRule(
  placed: PlacedPolicy,
  namespace: string,
  direction: Direction,
  index: number,
  rule: NetworkPolicyIngressRule & NetworkPolicyEgressRule,
): CompiledRule {
  const ref: RuleRef = { placed, direction, index };
  const peers = direction === "ingress" ? rule.from : rule.to;
  return {
    ref,
    peers: nonEmpty(peers)?.map((peer) => compilePeer(ref, namespace, peer)),
    ports: nonEmpty(rule.ports)?.map((port) => compilePort(ref, port)),
  };
}

function compilePeer(ref: RuleRef, namespace: string, peer: NetworkPolicyPeer): CompiledPeer {
  const { ipBlock, namespaceSelector, podSelector } = peer;
  if (ipBlock !== undefined) {
    if (namespaceSelector !== undefined || podSelector !== undefined) {
      throw invalid(ref, "a peer with ipBlock can have no podSelector or namespaceSelector");
    }
    return compileBlock(ref, ipBlock);
  }
  if (namespaceSelector === undefined && podSelector === undefined) {
    throw invalid(ref, "an empty peer names nobody: it needs a podSelector, a namespaceSelector or an ipBlock");
  }
  return { kind: "pods", namespace: namespaceSelector ?? namespace, pods: podSelector ?? {} };
}

function compileBlock(ref: RuleRef, { cidr, except }: IPBlock): CompiledPeer {
  const parse = (text: string): Cidr => {
    const block = parseCidr(text);
    if (block === undefined) throw invalid(ref, `"${text}" is not a CIDR`);
    return block;
  };
  return { kind: "block", block: parse(cidr), except: (except ?? []).map(parse) };
}

function compilePort(ref: RuleRef, { protocol = "TCP", port, endPort }: NetworkPolicyPort): CompiledPort {
  if (typeof port === "number") {
    if (endPort !== undefined && endPort < port) throw invalid(ref, `endPort ${endPort} is less than port ${port}`);
    return { protocol, port: { from: port, to: endPort ?? port } };
  }
  if (endPort !== undefined) throw invalid(ref, "endPort needs a numeric port");
  return { protocol, port: port === undefined ? undefined : { name: port } };
}

function nonEmpty<Item>(items: readonly Item[] | undefined): readonly Item[] | undefined {
  return items === undefined || items.length === 0 ? undefined : items;
}

function invalid({ placed, direction, index }: RuleRef, message: string): LabError {
  const { namespace = "default", name } = placed.policy.metadata;
  return new LabError(
    "POLICY_INVALID",
    `NetworkPolicy ${namespace}/${name}, ${direction} rule ${index + 1}: ${message}`,
    {
      hint: "the API server refuses this policy; see kubernetes.io/docs/concepts/services-networking/network-policies",
      span: placed.ruleSpans?.[direction][index] ?? placed.span,
    },
  );
}
