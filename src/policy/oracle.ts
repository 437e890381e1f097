import { matchesSelector } from "../kube/selectors.ts";
import { type CompiledPolicy, type CompiledRule, compilePolicy } from "./compile.ts";
import { classifyPods, matchesPorts, rememberPeers, type Truth } from "./match.ts";
import { indexParties, type Party } from "./parties.ts";
import type {
  Direction,
  NearMiss,
  Oracle,
  OracleFlow,
  OraclePod,
  OracleVerdict,
  OracleWorld,
  PlacedPolicy,
  RuleRef,
  SideVerdict,
} from "./types.ts";

/**
 * Reads the world's NetworkPolicies by the API's text (networking.k8s.io/v1; docs/policy.md lists the sentences).
 * Throws POLICY_INVALID for a policy that the API server would refuse.
 */
export function createOracle(world: OracleWorld): Oracle {
  const parties = indexParties(world);
  const classes = classifyPods(world);
  const isolationOf = indexPolicies(world);
  const matchesPeers = rememberPeers(classes);

  const judgeSide = (direction: Direction, flow: OracleFlow, from: Party, to: Party): JudgedSide | undefined => {
    const [own, other] = direction === "egress" ? [from, to] : [to, from];
    if (own.pod === undefined) return undefined;
    const { isolatedBy, rules } = isolationOf(own.pod)[direction];
    const found = weighRules(rules, (rule) => ({
      peer: matchesPeers(rule, other),
      port: matchesPorts(rule, flow, to, classes),
    }));
    const ownNode = other.node !== undefined && other.node === own.pod.node;
    const byPolicy = isolatedBy.length === 0 || found.allowedBy.length > 0;
    return {
      // Who may pass regardless of the policies: "yes" from a rule or for lack of isolation.
      byPolicy: byPolicy ? "yes" : found.isUnknown ? "unknown" : "no",
      verdict: {
        direction,
        pod: own.pod,
        allowed: byPolicy || ownNode,
        isolatedBy,
        allowedBy: found.allowedBy,
        nearMisses: byPolicy ? [] : found.nearMisses,
        ownNode,
      },
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

interface JudgedSide {
  /** What the policies alone say, without the exemption for the pod's own node. */
  byPolicy: Truth;
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

/** The first thing that leaves the verdict open. A side that blocks for certain settles it whatever the other says. */
function openQuestion(flow: OracleFlow, sides: readonly JudgedSide[]): NotGradable | undefined {
  if (flow.protocol === "ICMP") {
    const isIsolated = sides.some(({ verdict }) => verdict.isolatedBy.length > 0);
    return isIsolated
      ? {
          cause: "protocol",
          text: "the API defines NetworkPolicy for TCP, UDP and SCTP; what happens to ICMP is up to the CNI",
        }
      : undefined;
  }
  if (sides.some(({ byPolicy, verdict }) => byPolicy === "no" && !verdict.ownNode)) return undefined;
  if (sides.some(({ byPolicy, verdict }) => byPolicy === "unknown" && !verdict.ownNode)) {
    return {
      cause: "node-address",
      text: "an ipBlock decides it, and the address that a node's traffic carries is the CNI's choice",
    };
  }
  if (sides.some(({ byPolicy, verdict }) => byPolicy !== "yes" && verdict.ownNode)) {
    return {
      cause: "own-node",
      text: "by the API a pod's own node is always allowed, but no rule allows it and CNIs differ",
    };
  }
  return undefined;
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

/** A policy's name as reports print it. */
export function policyName({ policy: { metadata } }: PlacedPolicy): string {
  return `${metadata.namespace ?? "default"}/${metadata.name}`;
}
