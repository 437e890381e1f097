import { matchesSelector } from "../../kube/selectors.ts";
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from "../../kube/types.ts";
import { adminPoliciesOf, AdminGroups } from "./admin-chains.ts";
import type { AdminTiers } from "./admin-chains.ts";
import type { Family } from "./address-ranges.ts";
import { block } from "./block.ts";
import { evidenceRules } from "./evidence.ts";
import { comment, identifier } from "./names.ts";
import type { PolicyEnforcer } from "./policy-enforcer.ts";
import { DROP_SETS, peerTexts, portTexts, ruleLines, SIDES } from "./policy-matches.ts";
import type { Direction } from "./policy-matches.ts";
import type { PolicyPod, PolicyWorld } from "./policy-peers.ts";
import type { PolicySets } from "./policy-sets.ts";

/** A pod of the node that the ruleset is for, at the node's end of its link. */
export interface PolicyEndpoint {
  hostInterface: string;
  namespace: string;
  name: string;
}

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

/** What chains of one node are made from. */
export interface RuleContext {
  /** NetworkPolicies in the order that their jumps shall have. */
  policies: readonly NetworkPolicy[];
  tiers: AdminTiers;
  world: PolicyWorld;
  sets: PolicySets;
  families: readonly Family[];
  enforcer: PolicyEnforcer;
}

/** The accept rules of one policy in one direction: one a combination of peers' family and kind of port match. */
function policyChain(policy: NetworkPolicy, direction: Direction, { sets, enforcer }: RuleContext): string[] {
  const { ingress = [], egress = [] } = policy.spec;
  const rules: { peers: NetworkPolicyPeer[]; ports: NetworkPolicyPort[] | undefined }[] =
    direction === "ingress"
      ? ingress.map(({ from, ports }) => ({ peers: from ?? [], ports }))
      : egress.map(({ to, ports }) => ({ peers: to ?? [], ports }));
  const lines = rules.flatMap(({ peers, ports }, index) => {
    const whom = peers.length === 0 ? undefined : sets.peers(peers, namespaceOf(policy));
    const matches = { peers: peerTexts(whom, direction), ports: portTexts(ports, sets) };
    return ruleLines(matches, "accept", `${direction} rule ${index + 1}`);
  });
  return chain(identifier(enforcer.chains[direction].policy, nameOf(policy)), lines);
}

/**
 * What meets a pod's packets: the Admin tier, then the NetworkPolicies that isolate it or, where none does, the Baseline tier. Of an
 * isolated pod what no policy accepts is recorded, then dropped; what comes to the end of another's chain passes.
 */
function endpointChain(
  { endpoint: { hostInterface, namespace, name } }: LocalPod,
  { own, admin, baseline }: PodPolicies,
  direction: Direction,
  { families, enforcer: { chains } }: RuleContext,
): string[] {
  const prefixes = chains[direction];
  return chain(`${prefixes.endpoint}-${hostInterface}`, [
    "ct state invalid drop",
    ...(admin === undefined ? [] : [`jump ${admin}`]),
    ...own.map((policy) => `jump ${identifier(prefixes.policy, nameOf(policy))}`),
    ...(own.length > 0
      ? [
          ...evidenceRules(DROP_SETS[direction], families),
          `counter drop ${comment(`${direction} of ${namespace}/${name}: no policy allows it`)}`,
        ]
      : []),
    ...(baseline === undefined ? [] : [`jump ${baseline}`]),
  ]);
}

/** A base chain that sends packets of pods under policy to their chains. */
export function baseChain(
  name: string,
  hook: string,
  direction: Direction,
  judged: DirectionRules["judged"],
  { chains, knowsPodsBy }: PolicyEnforcer,
  before: readonly string[] = [],
): string[] {
  const { interfaceKey, ownField } = SIDES[direction];
  const elements = judged.flatMap(({ endpoint: { hostInterface }, pod }) => {
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

/** Pods under policy, and the chains they need. */
export interface DirectionRules {
  judged: LocalPod[];
  chains: string[];
}

/** What judges one pod in one direction: NetworkPolicies that isolate it, and the chains of the tiers around them. */
interface PodPolicies {
  own: readonly NetworkPolicy[];
  admin: string | undefined;
  baseline: string | undefined;
}

/**
 * The chains of one direction: of every policy that isolates one of these pods, of every list of cluster-wide policies that one is
 * the subject of, and of every pod so judged. A policy's chain accepts or returns.
 */
export function directionRules(local: readonly LocalPod[], direction: Direction, context: RuleContext): DirectionRules {
  const { policies, tiers, world } = context;
  const used = new Set<NetworkPolicy>();
  const groups = new AdminGroups(direction, context);
  const judged: LocalPod[] = [];
  const endpointChains: string[] = [];
  const isolating = policies.filter((policy) => isolates(policy, direction));
  for (const each of local) {
    const { endpoint, pod } = each;
    const own = isolating.filter(
      (policy) =>
        namespaceOf(policy) === endpoint.namespace && matchesSelector(policy.spec.podSelector, pod.pod.metadata.labels),
    );
    const admin = groups.chainOf("admin", adminPoliciesOf(tiers.admin, direction, pod, world));
    const baseline =
      own.length > 0 ? undefined : groups.chainOf("baseline", adminPoliciesOf(tiers.baseline, direction, pod, world));
    if (own.length === 0 && admin === undefined && baseline === undefined) continue;
    for (const policy of own) used.add(policy);
    judged.push(each);
    endpointChains.push(...endpointChain(each, { own, admin, baseline }, direction, context));
  }
  const policyChains = isolating
    .filter((policy) => used.has(policy))
    .flatMap((policy) => policyChain(policy, direction, context));
  return { judged, chains: [...groups.chains(), ...policyChains, ...endpointChains] };
}
