import type { Span } from "../core/errors.ts";
import { matchesSelector } from "../kube/selectors.ts";
import { compilePolicy, type CompiledPeer, type CompiledPolicy, type CompiledRule } from "./compile.ts";
import { missedAdminRules } from "./admin-clues.ts";
import { fewestFaults, labelFaults, peerFaults, portFault, ruleName, type Fault, type OtherEnd } from "./faults.ts";
import { adminRuleName, ruleSpan } from "./explain.ts";
import { createOracle, policyName } from "./oracle.ts";
import type {
  AdminRuleRef,
  Direction,
  OraclePod,
  OracleVerdict,
  OracleWorld,
  PlacedAdminPolicy,
  PlacedPolicy,
  RuleRef,
  SideVerdict,
} from "./types.ts";

/** Something near a verdict that a person may have meant otherwise: one condition away from another verdict. */
export interface Clue {
  /** A word for programs; docs/policy.md lists them. */
  code: string;
  text: string;
  side: Direction;
  policy: PlacedPolicy | PlacedAdminPolicy;
  rule?: RuleRef | AdminRuleRef;
  span?: Span | undefined;
}

/** What the flow was before a Service translated it. */
export interface Translated {
  service: string;
  port: number;
  addresses: readonly string[];
}

/** DNS of the cluster, for worlds in which its pods are not. */
const DNS_POD: OraclePod = {
  namespace: "kube-system",
  name: "coredns",
  labels: { "k8s-app": "kube-dns" },
  addresses: [],
  ports: [
    { name: "dns", containerPort: 53, protocol: "UDP" },
    { name: "dns-tcp", containerPort: 53, protocol: "TCP" },
  ],
};

/**
 * Near misses of a verdict, likeliest first: rules that would allow a blocked flow but for one condition, policies that would
 * isolate an open side but for one, and what opens more, or less, than it looks. None means that no single change explains it.
 */
export function findClues(world: OracleWorld, verdict: OracleVerdict, translated?: Translated): Clue[] {
  const policies = world.policies.map(compileWhole);
  const selects = podSelections(world);
  return [verdict.egress, verdict.ingress].flatMap((side) => {
    if (side === undefined) return [];
    const other = otherEnd(world, verdict, side.direction, translated);
    // What a cluster-wide policy denied, only a rule before it in its tier was near to letting through.
    const { decidedBy } = side;
    if (decidedBy?.action === "Deny") {
      const missed = missedAdminRules(world, side, decidedBy, other, verdict, translated);
      return rank(missed.map(({ fault, ref }) => foundAdmin(fault, ref)));
    }
    if (decidedBy?.tier === "Admin") return [];
    const open = side.isolatedBy.length === 0;
    const found = !side.allowed
      ? missedRules(policies, selects, side, other, verdict, translated)
      : open
        ? missedIsolation(policies, selects, side)
        : widerThanItLooks(side, other, verdict.flow.family);
    return [...rank(found), ...forgottenDns(world, side, verdict)];
  });
}

interface WholePolicy {
  placed: PlacedPolicy;
  /** As the policy is. */
  real: CompiledPolicy;
  /** As if it affected both directions. */
  whole: CompiledPolicy;
}

function compileWhole(placed: PlacedPolicy): WholePolicy {
  const { policy } = placed;
  const both: PlacedPolicy = {
    ...placed,
    policy: { ...policy, spec: { ...policy.spec, policyTypes: ["Ingress", "Egress"] } },
  };
  return { placed, real: compilePolicy(placed), whole: compilePolicy(both) };
}

function otherEnd(
  world: OracleWorld,
  { flow, egress, ingress }: OracleVerdict,
  direction: Direction,
  translated: Translated | undefined,
): OtherEnd {
  const end = direction === "egress" ? flow.to : flow.from;
  const pod = direction === "egress" ? ingress?.pod : egress?.pod;
  const addresses =
    end.kind === "address"
      ? [end.address]
      : (pod?.addresses ?? world.nodes?.find(({ name }) => end.kind === "node" && name === end.name)?.addresses ?? []);
  const name =
    end.kind === "pod" ? `${end.namespace}/${end.name}` : end.kind === "node" ? `node ${end.name}` : end.address;
  const namespaceLabels = world.namespaces.find((each) => each.name === pod?.namespace)?.labels ?? {};
  return { name, pod, addresses, namespaceLabels, ...(direction === "egress" && translated ? { translated } : {}) };
}

/** Policies and rules that one condition keeps from allowing the flow. */
function missedRules(
  policies: readonly WholePolicy[],
  selects: Selects,
  side: SideVerdict,
  other: OtherEnd,
  { flow, ingress }: OracleVerdict,
  translated: Translated | undefined,
): Found[] {
  return policies.flatMap((each) => {
    const { placed, real, whole } = each;
    const ofPolicy = policyFaults(each, selects, side);
    if (ofPolicy.length > 1) return [];
    const moved = real.namespace !== side.pod.namespace;
    return (whole[side.direction] ?? []).flatMap((rule) => {
      const peers = rule.peers?.map((peer) => (moved ? movePeer(peer, real.namespace, side.pod.namespace) : peer));
      const faults = [
        ...ofPolicy,
        ...fewestFaults((peers ?? []).map((peer) => peerFaults(peer, other, flow.family))),
        ...portFault(rule, flow, side.direction === "egress" ? ingress?.pod : side.pod, translated),
      ];
      return faults.length === 1 ? [found(faults[0] as Fault, side.direction, placed, rule)] : [];
    });
  });
}

/** Policies that one slip keeps from isolating a side that is open. */
function missedIsolation(policies: readonly WholePolicy[], selects: Selects, side: SideVerdict): Found[] {
  return policies.flatMap((each) => {
    const { placed, real } = each;
    // A policy of the other direction that says nothing of this one leaves it open on purpose.
    if (real[side.direction] === undefined && placed.policy.spec[side.direction] === undefined) return [];
    const faults = policyFaults(each, selects, side);
    const [fault] = faults;
    if (fault === undefined || faults.length > 1) return [];
    return [found(fault, side.direction, placed, undefined)];
  });
}

/** What keeps a policy from counting for the side's pod: another namespace, a label, policyTypes. */
function policyFaults({ placed, real }: WholePolicy, selects: Selects, { direction, pod }: SideVerdict): Fault[] {
  const name = `${pod.namespace}/${pod.name}`;
  const faults: Fault[] = labelFaults(real.selector, pod.labels, {
    code: "policy-selector",
    whose: name,
    asks: `podSelector of ${policyName(placed)}`,
  });
  if (real.namespace !== pod.namespace) {
    const text = `${policyName(placed)} is in namespace ${real.namespace} and selects no pod there; ${name} is in ${pod.namespace}`;
    faults.push({ code: "policy-namespace", text, weight: 1 });
  }
  // A policy that selects other pods is meant for those.
  if (faults.length === 1 && selects(real)) faults.push(...faults);
  if (real[direction] === undefined) {
    const type = direction === "egress" ? "Egress" : "Ingress";
    const text = `policyTypes of ${policyName(placed)} has no ${type}, so that it does nothing for ${direction}`;
    faults.push({ code: "policy-types", text, weight: 0 });
  }
  return faults;
}

/** Whether a policy selects any pod at all. */
type Selects = (policy: CompiledPolicy) => boolean;

function podSelections(world: OracleWorld): Selects {
  const byNamespace = new Map<string, OraclePod[]>();
  for (const pod of world.pods) {
    const pods = byNamespace.get(pod.namespace) ?? [];
    pods.push(pod);
    byNamespace.set(pod.namespace, pods);
  }
  return ({ namespace, selector }) =>
    (byNamespace.get(namespace) ?? []).some(({ labels }) => matchesSelector(selector, labels));
}

function movePeer(peer: CompiledPeer, from: string, to: string): CompiledPeer {
  return peer.kind === "pods" && peer.namespace === from ? { ...peer, namespace: to } : peer;
}

/** Rules that allow by less than their author may think: two items where one was meant, an address for a pod. */
function widerThanItLooks(side: SideVerdict, other: OtherEnd, family: 4 | 6 | undefined): Found[] {
  return side.allowedBy.flatMap((ref) => {
    const rule = compilePolicy(ref.placed)[side.direction]?.[ref.index];
    const peers = rule?.peers;
    if (rule === undefined || peers === undefined || other.pod === undefined) return [];
    const matching = peers.filter((peer) => peerFaults(peer, other, family).length === 0);
    if (matching.length > 0 && matching.every(({ kind }) => kind === "block")) {
      const text = `only an ipBlock lets ${other.name} pass, and a pod's address changes with the pod: name pods by selectors`;
      return [found({ code: "block-for-pod", text, weight: 5 }, side.direction, ref.placed, rule)];
    }
    const own = compilePolicy(ref.placed).namespace;
    const isPair = (one: CompiledPeer, two: CompiledPeer): boolean => {
      if (one.kind !== "pods" || two.kind !== "pods" || typeof one.namespace === "string" || two.namespace !== own) {
        return false;
      }
      const joined: CompiledPeer = { kind: "pods", namespace: one.namespace, pods: two.pods };
      return matching.every((peer) => peer === one || peer === two) && peerFaults(joined, other, family).length > 0;
    };
    const at = peers.findIndex((peer, index) => {
      const next = peers[index + 1];
      return next !== undefined && (isPair(peer, next) || isPair(next, peer));
    });
    if (at < 0) return [];
    const text = `namespaceSelector and podSelector are two items of the list, so that either suffices; ${other.name} does not match both: in one item (no "- " before the second) they would keep it out`;
    return [found({ code: "split-peer", text, weight: 2 }, side.direction, ref.placed, rule)];
  });
}

/** An isolated source whose rules leave out DNS reaches nothing by name. */
function forgottenDns(world: OracleWorld, side: SideVerdict, { flow }: OracleVerdict): Clue[] {
  const [policy] = side.isolatedBy;
  if (side.direction !== "egress" || policy === undefined || flow.port === 53 || flow.to.kind === "address") return [];
  const known = world.pods.filter(({ labels }) => labels["k8s-app"] === "kube-dns");
  const servers = known.length > 0 ? known : [DNS_POD];
  const oracle = createOracle({ ...world, pods: [side.pod, ...servers] });
  const { namespace, name } = side.pod;
  const reaches = servers.some(
    (pod) =>
      oracle.verdict({
        from: { kind: "pod", namespace, name },
        to: { kind: "pod", namespace: pod.namespace, name: pod.name },
        port: 53,
        protocol: "UDP",
      }).egress?.allowed === true,
  );
  if (reaches) return [];
  const text = `${namespace}/${name} cannot look up names: no egress rule allows 53/UDP to the cluster's DNS`;
  return [{ code: "dns-egress", text, side: "egress", policy, span: policy.span }];
}

type Found = Clue & { weight: number };

function found(
  { code, text, weight }: Fault,
  side: Direction,
  placed: PlacedPolicy,
  rule: CompiledRule | undefined,
): Found {
  if (rule === undefined) return { code, text, side, policy: placed, span: placed.span, weight };
  const ref: RuleRef = { ...rule.ref, placed };
  const span = placed.ruleSpans?.[side][ref.index] ?? placed.span;
  return { code, text: `${ruleName(ref)}: ${text}`, side, policy: placed, rule: ref, span, weight };
}

function foundAdmin({ code, text, weight }: Fault, ref: AdminRuleRef): Found {
  const { placed, direction: side } = ref;
  return {
    code,
    text: `${adminRuleName(ref)}: ${text}`,
    side,
    policy: placed,
    rule: ref,
    span: ruleSpan(ref),
    weight,
  };
}

function rank(clues: readonly Found[]): Clue[] {
  return clues.toSorted((a, b) => a.weight - b.weight).map(({ weight: _, ...clue }) => clue);
}
