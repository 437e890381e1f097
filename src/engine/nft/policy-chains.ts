import { matchesSelector } from "../../kube/selectors.ts";
import type { NetworkPolicy, NetworkPolicyPeer } from "../../kube/types.ts";
import type { Family } from "./address-ranges.ts";
import { block } from "./block.ts";
import { evidenceRules } from "./evidence.ts";
import { comment, identifier } from "./names.ts";
import type { PolicyEnforcer } from "./policy-enforcer.ts";
import type { PolicyPod } from "./policy-peers.ts";
import { portMatches } from "./policy-ports.ts";
import type { PolicySets } from "./policy-sets.ts";

/** A pod of the node that the ruleset is for, at the node's end of its link. */
export interface PolicyEndpoint {
  hostInterface: string;
  namespace: string;
  name: string;
}

/** The sets that list what was dropped, by direction (see evidence.ts for their elements). */
export const DROP_SETS = { ingress: "drops-ingress", egress: "drops-egress" } as const;

type Direction = "ingress" | "egress";

/** What differs between the directions: the pod's own end of a packet, and whose address the peers are matched with. */
const SIDES = {
  egress: { interfaceKey: "iifname", ownField: "saddr", peerField: "daddr" },
  ingress: { interfaceKey: "oifname", ownField: "daddr", peerField: "saddr" },
} as const;

/**
 * Whether the policy isolates in this direction. Without policyTypes every policy isolates ingress, and egress where it
 * has egress rules (the API server's defaulting).
 */
function isolates({ spec }: NetworkPolicy, direction: Direction): boolean {
  const types = spec.policyTypes ?? [];
  if (types.length > 0) return types.includes(direction === "ingress" ? "Ingress" : "Egress");
  return direction === "ingress" || (spec.egress ?? []).length > 0;
}

function namespaceOf(policy: NetworkPolicy): string {
  return policy.metadata.namespace ?? "default";
}

/** "namespace/name". */
export function nameOf(policy: NetworkPolicy): string {
  return `${namespaceOf(policy)}/${policy.metadata.name}`;
}

function chain(name: string, rules: readonly string[]): string[] {
  return block(`chain ${name}`, rules);
}

/** The accept rules of one policy in one direction: one a combination of peers' family and kind of port match. */
function policyChain(
  policy: NetworkPolicy,
  direction: Direction,
  sets: PolicySets,
  { chains }: PolicyEnforcer,
): string[] {
  const { peerField } = SIDES[direction];
  const rules: { peers: NetworkPolicyPeer[]; ports: ReturnType<typeof portMatches> }[] =
    direction === "ingress"
      ? (policy.spec.ingress ?? []).map(({ from, ports }) => ({
          peers: from ?? [],
          ports: portMatches(ports),
        }))
      : (policy.spec.egress ?? []).map(({ to, ports }) => ({
          peers: to ?? [],
          ports: portMatches(ports),
        }));
  const lines = rules.flatMap(({ peers, ports }, index) => {
    const peerMatches: { family?: Family; text: string }[] =
      peers.length === 0
        ? [{ text: "" }]
        : sets
            .peers(peers, namespaceOf(policy))
            .map(({ family, name }) => ({ family, text: `${family} ${peerField} @${name} ` }));
    const portTexts: { family?: Family; text: string }[] = (ports ?? [{ text: "" }]).flatMap((match) =>
      "text" in match
        ? [{ text: match.text === "" ? "" : `${match.text} ` }]
        : sets.namedPort(match.named).map(({ family, name }) => ({
            family,
            text: `${family} daddr . meta l4proto . th dport @${name} `,
          })),
    );
    return peerMatches.flatMap((peer) =>
      portTexts
        .filter(({ family }) => family === undefined || peer.family === undefined || family === peer.family)
        .map((port) => `${peer.text}${port.text}counter accept ${comment(`${direction} rule ${index + 1}`)}`),
    );
  });
  return chain(identifier(chains[direction].policy, nameOf(policy)), lines);
}

/** What an isolated pod lets through: what any of its policies accepts; the rest is recorded, then dropped. */
function endpointChain(
  { hostInterface, namespace, name }: PolicyEndpoint,
  policies: readonly NetworkPolicy[],
  direction: Direction,
  families: readonly Family[],
  { chains }: PolicyEnforcer,
): string[] {
  const prefixes = chains[direction];
  return chain(`${prefixes.endpoint}-${hostInterface}`, [
    "ct state invalid drop",
    ...policies.map((policy) => `jump ${identifier(prefixes.policy, nameOf(policy))}`),
    ...evidenceRules(DROP_SETS[direction], families),
    `counter drop ${comment(`${direction} of ${namespace}/${name}: no policy allows it`)}`,
  ]);
}

/** A base chain that sends packets of isolated pods to their chains. */
export function baseChain(
  name: string,
  hook: string,
  direction: Direction,
  isolated: DirectionRules["isolated"],
  { chains, knowsPodsBy }: PolicyEnforcer,
  before: readonly string[] = [],
): string[] {
  const { interfaceKey, ownField } = SIDES[direction];
  const elements = isolated.flatMap(({ endpoint: { hostInterface }, pod }) => {
    const verdict = `goto ${chains[direction].endpoint}-${hostInterface}`;
    if (knowsPodsBy === "interface") return [`"${hostInterface}" : ${verdict}`];
    return pod.addresses.filter(({ family }) => family === "ip").map(({ text }) => `${text} : ${verdict}`);
  });
  const key = knowsPodsBy === "interface" ? interfaceKey : `${interfaceKey} "${knowsPodsBy.bridge}" ip ${ownField}`;
  return chain(name, [
    `type filter hook ${hook}; policy accept;`,
    "ct state established,related accept",
    ...before,
    ...(elements.length === 0 ? [] : [`${key} vmap { ${elements.join(", ")} }`]),
  ]);
}

/** A pod of the node. */
export interface LocalPod {
  endpoint: PolicyEndpoint;
  pod: PolicyPod;
}

/** Isolated pods, and the chains they need. */
export interface DirectionRules {
  isolated: LocalPod[];
  chains: string[];
}

/**
 * The chains of one direction: of every policy that isolates one of these pods, and of every pod so isolated. A policy
 * chain accepts or returns; `policies` in the order their jumps shall have.
 */
export function directionRules(
  local: readonly LocalPod[],
  policies: readonly NetworkPolicy[],
  direction: Direction,
  sets: PolicySets,
  families: readonly Family[],
  enforcer: PolicyEnforcer,
): DirectionRules {
  const used = new Set<NetworkPolicy>();
  const rules: DirectionRules = { isolated: [], chains: [] };
  const isolating = policies.filter((policy) => isolates(policy, direction));
  for (const each of local) {
    const { endpoint, pod } = each;
    const own = isolating.filter(
      (policy) =>
        namespaceOf(policy) === endpoint.namespace && matchesSelector(policy.spec.podSelector, pod.pod.metadata.labels),
    );
    if (own.length === 0) continue;
    for (const policy of own) used.add(policy);
    rules.isolated.push(each);
    rules.chains.push(...endpointChain(endpoint, own, direction, families, enforcer));
  }
  const policyChains = isolating
    .filter((policy) => used.has(policy))
    .flatMap((policy) => policyChain(policy, direction, sets, enforcer));
  return { ...rules, chains: [...policyChains, ...rules.chains] };
}
