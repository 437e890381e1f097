import { LabError } from "../core/errors.ts";
import { type Cidr, parseCidr, parseIp } from "../core/ip.ts";
import type { AdminPeer, AdminRule, AdminSubject } from "../kube/admin-policy-types.ts";
import { matchesSelector } from "../kube/selectors.ts";
import type { LabelSelector, Protocol } from "../kube/types.ts";
import type { CompiledPeer, CompiledPort, CompiledRule } from "./compile.ts";
import type {
  AdminAction,
  AdminRuleRef,
  Direction,
  OracleNode,
  OracleWorld,
  PlacedAdminPolicy,
  Tier,
} from "./types.ts";

/** A rule of a cluster-wide policy; it always names its peers. */
export interface CompiledAdminRule extends CompiledRule<AdminRuleRef> {
  action: AdminAction;
  peers: readonly CompiledPeer[];
}

/** Pods by their labels and those of their namespaces: no cluster-wide policy has a namespace of its own. */
type BySelectors = CompiledPeer & { kind: "pods"; namespace: LabelSelector };

/** A cluster-wide policy; a direction without rules is not affected. */
export interface CompiledAdminPolicy {
  placed: PlacedAdminPolicy;
  tier: Tier;
  priority: number;
  subject: BySelectors;
  ingress: readonly CompiledAdminRule[];
  egress: readonly CompiledAdminRule[];
}

/** A BaselineAdminNetworkPolicy has no priority: beside ClusterNetworkPolicies of the Baseline tier it is taken for the last. */
const LAST = 1001;

const PROTOCOLS: readonly Protocol[] = ["TCP", "UDP", "SCTP"];

/**
 * The world's cluster-wide policies in the order in which they count: tier, priority, then name, since the API leaves equal
 * priorities open. Nodes are picked by their addresses, as the API says. Throws POLICY_INVALID, POLICY_DOMAIN_NAMES.
 */
export function compileAdminPolicies({
  adminPolicies = [],
  nodes = [],
}: Pick<OracleWorld, "adminPolicies" | "nodes">): CompiledAdminPolicy[] {
  return adminPolicies.map((placed) => compileAdminPolicy(placed, nodes)).toSorted(byPrecedence);
}

function byPrecedence(a: CompiledAdminPolicy, b: CompiledAdminPolicy): number {
  if (a.tier !== b.tier) return a.tier === "Admin" ? -1 : 1;
  const [one, two] = [a.placed.policy.metadata.name, b.placed.policy.metadata.name];
  return a.priority - b.priority || (one < two ? -1 : one > two ? 1 : 0);
}

function compileAdminPolicy(placed: PlacedAdminPolicy, nodes: readonly OracleNode[]): CompiledAdminPolicy {
  const { kind, spec } = placed.policy;
  const subject = compileSelectors(spec.subject);
  if (subject === undefined) throw invalid(placed, undefined, "the subject needs namespaces or pods");
  const rules = (direction: Direction): CompiledAdminRule[] =>
    (spec[direction] ?? []).map((rule, index) => compileRule({ placed, direction, index }, rule, nodes));
  return {
    placed,
    tier: kind === "BaselineAdminNetworkPolicy" ? "Baseline" : (spec.tier ?? "Admin"),
    priority: spec.priority ?? LAST,
    subject,
    ingress: rules("ingress"),
    egress: rules("egress"),
  };
}

function compileRule(ref: AdminRuleRef, rule: AdminRule, nodes: readonly OracleNode[]): CompiledAdminRule {
  const peers = (ref.direction === "ingress" ? rule.from : rule.to) ?? [];
  if (peers.length === 0) throw invalid(ref.placed, ref, "it needs at least one peer");
  const ports = compilePorts(rule);
  return {
    ref,
    action: rule.action === "Accept" ? "Allow" : rule.action,
    peers: peers.flatMap((peer) => compilePeer(ref, peer, nodes)),
    ports: ports.length === 0 ? undefined : ports,
  };
}

function compilePeer(ref: AdminRuleRef, peer: AdminPeer, nodes: readonly OracleNode[]): CompiledPeer[] {
  if (peer.domainNames !== undefined) {
    throw new LabError("POLICY_DOMAIN_NAMES", `${describe(ref.placed, ref)}: domainNames is not modelled`, {
      hint: "which addresses a name stands for is known to no manifest",
      span: ref.placed.ruleSpans?.[ref.direction][ref.index] ?? ref.placed.span,
    });
  }
  const pods = compileSelectors(peer);
  if (pods !== undefined) return [pods];
  const { networks, nodes: selector } = peer;
  if (networks !== undefined) return networks.map((text) => ({ kind: "block", block: network(ref, text), except: [] }));
  if (selector === undefined) throw invalid(ref.placed, ref, "an empty peer names nobody");
  return nodes
    .filter(({ labels = {} }) => matchesSelector(selector, labels))
    .flatMap(({ addresses }) => addresses.map((text) => ({ kind: "block", block: hostNetwork(text), except: [] })));
}

function compileSelectors({ namespaces, pods }: AdminSubject): BySelectors | undefined {
  if (namespaces !== undefined) return { kind: "pods", namespace: namespaces, pods: {} };
  if (pods === undefined) return undefined;
  return { kind: "pods", namespace: pods.namespaceSelector ?? {}, pods: pods.podSelector };
}

function compilePorts({ ports = [], protocols = [] }: AdminRule): CompiledPort[] {
  const named = (name: string): CompiledPort[] => PROTOCOLS.map((protocol) => ({ protocol, port: { name } }));
  const ofPorts = ports.flatMap(({ portNumber, portRange, namedPort }): CompiledPort[] => {
    if (namedPort !== undefined) return named(namedPort);
    if (portNumber !== undefined) {
      const { protocol = "TCP", port } = portNumber;
      return [{ protocol, port: { from: port, to: port } }];
    }
    if (portRange === undefined) return [];
    const { protocol = "TCP", start, end } = portRange;
    return [{ protocol, port: { from: start, to: end } }];
  });
  const ofProtocols = protocols.flatMap(({ tcp, udp, sctp, destinationNamedPort }): CompiledPort[] => {
    if (destinationNamedPort !== undefined) return named(destinationNamedPort);
    return [tcp, udp, sctp].flatMap((match, at): CompiledPort[] => {
      if (match === undefined) return [];
      const protocol = PROTOCOLS[at] as Protocol;
      const { number, range } = match.destinationPort ?? {};
      if (number !== undefined) return [{ protocol, port: { from: number, to: number } }];
      return [{ protocol, port: range === undefined ? undefined : { from: range.start, to: range.end } }];
    });
  });
  return [...ofPorts, ...ofProtocols];
}

function network(ref: AdminRuleRef, text: string): Cidr {
  const block = parseCidr(text);
  if (block === undefined) throw invalid(ref.placed, ref, `"${text}" is not a CIDR`);
  return block;
}

/** The network of one address. Throws for a text that is none: nodes' addresses come from the cluster or the plan. */
function hostNetwork(text: string): Cidr {
  const address = parseIp(text);
  if (address === undefined) throw new Error(`a node has the address "${text}"`);
  return { ...address, prefixLength: address.family === 4 ? 32 : 128 };
}

function describe({ policy: { kind, metadata } }: PlacedAdminPolicy, ref: AdminRuleRef | undefined): string {
  return `${kind} ${metadata.name}${ref === undefined ? "" : `, ${ref.direction} rule ${ref.index + 1}`}`;
}

function invalid(placed: PlacedAdminPolicy, ref: AdminRuleRef | undefined, message: string): LabError {
  return new LabError("POLICY_INVALID", `${describe(placed, ref)}: ${message}`, {
    hint: "the API server refuses this policy; see network-policy-api.sigs.k8s.io",
    span: (ref === undefined ? undefined : placed.ruleSpans?.[ref.direction][ref.index]) ?? placed.span,
  });
}
