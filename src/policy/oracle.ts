import { matchesSelector } from "../kube/selectors.ts";
import { compileAdminPolicies, type CompiledAdminPolicy } from "./compile-admin.ts";
import { type CompiledPolicy, type CompiledRule, compilePolicy } from "./compile.ts";
import { type AnyRule, classifyPods, matchesPorts, type PodClasses, rememberPeers, type Truth } from "./match.ts";
import { indexParties, type Party } from "./parties.ts";
import { findRule, type OpenCause, type Outcome, settle } from "./tiers.ts";
import type {
  Direction,
  NearMiss,
  Oracle,
  OracleFlow,
  OraclePod,
  OracleVerdict,
  OracleWorld,
  PlacedAdminPolicy,
  PlacedPolicy,
  RuleRef,
  SideVerdict,
} from "./types.ts";

/**
 * Reads the world's NetworkPolicies by the API's text (networking.k8s.io/v1), and its cluster-wide policies by that of
 * policy.networking.k8s.io; docs/policy.md lists the sentences. Throws POLICY_INVALID for a policy that the API server would
 * refuse, and POLICY_DOMAIN_NAMES.
 */
export function createOracle(world: OracleWorld): Oracle {
  const parties = indexParties(world);
  const classes = classifyPods(world);
  const isolationOf = indexPolicies(world);
  const adminOf = indexAdminPolicies(world, classes);
  const matchesPeers = rememberPeers(classes);

  const judgeSide = (direction: Direction, flow: OracleFlow, from: Party, to: Party): JudgedSide | undefined => {
    const [own, other] = direction === "egress" ? [from, to] : [to, from];
    const { pod } = own;
    if (pod === undefined) return undefined;
    const weigh = (rule: AnyRule): Truth => (matchesPorts(rule, flow, to, classes) ? matchesPeers(rule, other) : "no");
    const judgeBelow = (): Below => {
      const { isolatedBy, rules } = isolationOf(pod)[direction];
      if (isolatedBy.length > 0) {
        return byNetworkPolicies(isolatedBy, rules, (rule) => ({
          peer: matchesPeers(rule, other),
          port: matchesPorts(rule, flow, to, classes),
        }));
      }
      const found = findRule(adminOf(pod), "Baseline", direction, weigh);
      const { rule } = found;
      return {
        outcome: settle(found, () => OPEN),
        verdict: {
          ...NOBODY_ASKED,
          ...(rule === undefined ? {} : { decidedBy: { tier: "Baseline", action: rule.action, rule: rule.ref } }),
        },
      };
    };
    const first = findRule(adminOf(pod), "Admin", direction, weigh);
    let known: Below | undefined;
    const below = (): Below => (known ??= judgeBelow());
    const outcome = settle(first, () => below().outcome);
    const tiers = tiersOf(first.rule, below);
    const isOwnNode = other.node !== undefined && other.node === pod.node;
    const ownNode = isOwnNode && tiers.decidedBy === undefined;
    return {
      outcome,
      isOwnNode,
      verdict: { direction, pod, ...tiers, allowed: outcome.isLikelyAllowed || ownNode, ownNode },
    };
  };

  return {
    verdict(flow) {
      const { from, to } = parties.parties(flow);
      const egress = judgeSide("egress", flow, from, to);
      const ingress = judgeSide("ingress", flow, from, to);
      return combine(flow, from, to, egress, ingress);
    },
  };
}

/** What the tiers below the Admin tier say, and who was asked. */
interface Below {
  outcome: Outcome;
  verdict: Asked;
}

type Asked = Pick<SideVerdict, "isolatedBy" | "allowedBy" | "nearMisses" | "decidedBy" | "passedBy">;

const OPEN: Outcome = { truth: "yes", isLikelyAllowed: true };
const NOBODY_ASKED: Asked = { isolatedBy: [], allowedBy: [], nearMisses: [] };

function tiersOf(rule: ReturnType<typeof findRule>["rule"], below: () => Below): Asked {
  if (rule === undefined) return below().verdict;
  const { action, ref } = rule;
  return action === "Pass"
    ? { ...below().verdict, passedBy: ref }
    : { ...NOBODY_ASKED, decidedBy: { tier: "Admin", action, rule: ref } };
}

function byNetworkPolicies(
  isolatedBy: readonly PlacedPolicy[],
  rules: readonly CompiledRule[],
  weigh: (rule: CompiledRule) => { peer: Truth; port: boolean },
): Below {
  const { allowedBy, nearMisses, isUnknown } = weighRules(rules, weigh);
  const isAllowed = allowedBy.length > 0;
  return {
    outcome: {
      truth: isAllowed ? "yes" : isUnknown ? "unknown" : "no",
      cause: "node-address",
      isLikelyAllowed: isAllowed,
    },
    verdict: { isolatedBy, allowedBy, nearMisses: isAllowed ? [] : nearMisses },
  };
}

interface JudgedSide {
  /** What the policies alone say, without the exemption for the pod's own node. */
  outcome: Outcome;
  /** The other end is the node that the pod runs on. */
  isOwnNode: boolean;
  verdict: SideVerdict;
}

function combine(
  flow: OracleFlow,
  from: Party,
  to: Party,
  egress: JudgedSide | undefined,
  ingress: JudgedSide | undefined,
): OracleVerdict {
  const sides = [egress, ingress].filter((side) => side !== undefined);
  const isLoopback = from.pod !== undefined && from.pod === to.pod;
  const notGradable = isLoopback ? LOOPBACK : openQuestion(flow, sides);
  return {
    flow,
    allowed: isLoopback || sides.every(({ verdict }) => verdict.allowed),
    ...(notGradable === undefined ? {} : { notGradable }),
    ...(egress === undefined ? {} : { egress: egress.verdict }),
    ...(ingress === undefined ? {} : { ingress: ingress.verdict }),
  };
}

type NotGradable = NonNullable<OracleVerdict["notGradable"]>;

const LOOPBACK: NotGradable = {
  cause: "loopback",
  text: "a pod cannot block access to itself by the API, but CNIs differ on the paths that loop back",
};

const OPEN_QUESTIONS: Record<OpenCause, string> = {
  "node-address": "an ipBlock decides it, and the address that a node's traffic carries is the CNI's choice",
  "equal-priority":
    "cluster-wide policies of the same priority say different things, and the API leaves open which counts",
};

/** The first thing that leaves the verdict open. A side that blocks for certain settles it whatever the other says. */
function openQuestion(flow: OracleFlow, sides: readonly JudgedSide[]): NotGradable | undefined {
  if (flow.protocol === "ICMP") {
    const isRuled = sides.some(({ verdict }) => verdict.isolatedBy.length > 0 || verdict.decidedBy !== undefined);
    return isRuled
      ? {
          cause: "protocol",
          text: "the API defines NetworkPolicy for TCP, UDP and SCTP; what happens to ICMP is up to the CNI",
        }
      : undefined;
  }
  if (sides.some(({ outcome, isOwnNode }) => outcome.truth === "no" && !isOwnNode)) return undefined;
  const unknown = sides.find(({ outcome, isOwnNode }) => outcome.truth === "unknown" && !isOwnNode);
  const cause = unknown?.outcome.cause;
  if (cause !== undefined) return { cause, text: OPEN_QUESTIONS[cause] };
  const own = sides.find(({ outcome, isOwnNode }) => outcome.truth !== "yes" && isOwnNode);
  if (own === undefined) return undefined;
  return own.verdict.decidedBy === undefined
    ? {
        cause: "own-node",
        text: "by the API a pod's own node is always allowed, but no rule allows it and CNIs differ",
      }
    : {
        cause: "own-node",
        text: "a cluster-wide policy denies it, and the API does not say whether it can cut a pod off from its own node",
      };
}

/** The cluster-wide policies whose subject a pod is, by precedence; worked out once a pod. */
function indexAdminPolicies(
  world: OracleWorld,
  classes: PodClasses,
): (pod: OraclePod) => readonly CompiledAdminPolicy[] {
  const policies = compileAdminPolicies(world);
  const known = new Map<OraclePod, readonly CompiledAdminPolicy[]>();
  return (pod) => {
    if (policies.length === 0) return policies;
    let ofPod = known.get(pod);
    if (ofPod === undefined) {
      ofPod = policies.filter(({ subject }) => classes.picks(subject, pod));
      known.set(pod, ofPod);
    }
    return ofPod;
  };
}

/** What isolates a pod in one direction, and the rules that let something through. */
interface Isolation {
  isolatedBy: readonly PlacedPolicy[];
  rules: readonly CompiledRule[];
}

/** Policies by namespace, then those that select the pod; worked out once a pod. */
function indexPolicies(world: OracleWorld): (pod: OraclePod) => Record<Direction, Isolation> {
  const byNamespace = new Map<string, CompiledPolicy[]>();
  for (const placed of world.policies) {
    const policy = compilePolicy(placed);
    const list = byNamespace.get(policy.namespace) ?? [];
    list.push(policy);
    byNamespace.set(policy.namespace, list);
  }
  const known = new Map<OraclePod, Record<Direction, Isolation>>();
  return (pod) => {
    let isolation = known.get(pod);
    if (isolation === undefined) {
      const selecting = (byNamespace.get(pod.namespace) ?? []).filter(({ selector }) =>
        matchesSelector(selector, pod.labels),
      );
      isolation = { egress: isolationBy(selecting, "egress"), ingress: isolationBy(selecting, "ingress") };
      known.set(pod, isolation);
    }
    return isolation;
  };
}

function isolationBy(policies: readonly CompiledPolicy[], direction: Direction): Isolation {
  const isolating = policies.filter((policy) => policy[direction] !== undefined);
  return {
    isolatedBy: isolating.map(({ placed }) => placed),
    rules: isolating.flatMap((policy) => policy[direction] ?? []),
  };
}

interface WeighedRules {
  allowedBy: readonly RuleRef[];
  nearMisses: readonly NearMiss[];
  /** A rule would allow the flow if its ipBlock held an address nobody can name. */
  isUnknown: boolean;
}

function weighRules(
  rules: readonly CompiledRule[],
  weigh: (rule: CompiledRule) => { peer: Truth; port: boolean },
): WeighedRules {
  const allowedBy: RuleRef[] = [];
  const nearMisses: NearMiss[] = [];
  let isUnknown = false;
  for (const rule of rules) {
    const { peer, port } = weigh(rule);
    if (port && peer === "yes") allowedBy.push(rule.ref);
    else if (port && peer === "unknown") isUnknown = true;
    else if (port) nearMisses.push({ rule: rule.ref, missedBy: "peer" });
    else if (peer === "yes") nearMisses.push({ rule: rule.ref, missedBy: "port" });
  }
  return { allowedBy, nearMisses, isUnknown };
}

/** A policy's name as reports print it: `shop/db`; a cluster-wide one's has its kind, `AdminNetworkPolicy/guard`. */
export function policyName({ policy: { kind, metadata } }: PlacedPolicy | PlacedAdminPolicy): string {
  return kind === "NetworkPolicy" ? `${metadata.namespace ?? "default"}/${metadata.name}` : `${kind}/${metadata.name}`;
}
