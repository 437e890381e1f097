import type { Span } from "../core/errors.ts";
import { formatSelector } from "../kube/selectors.ts";
import type { NetworkPolicyPeer, NetworkPolicyPort } from "../kube/types.ts";
import { policyName } from "./oracle.ts";
import type {
  AdminDecision,
  AdminRuleRef,
  OracleEnd,
  OracleFlow,
  OracleVerdict,
  PolicyPlaces,
  RuleRef,
  SideVerdict,
} from "./types.ts";

/** A verdict in words, with the places of the policies and rules named, deciding ones first. */
export interface VerdictReason {
  allowed: boolean;
  lines: string[];
  spans: Span[];
  /** Why the verdict must not be graded. */
  notGradable?: string;
}

/** Near misses shown a side; more would bury the answer. */
const NEAR_MISSES_SHOWN = 3;

/** Says why: which policies isolate each end, which rule allows, and which rules missed by one condition. */
export function explainVerdict(verdict: OracleVerdict): VerdictReason {
  const sides = [verdict.egress, verdict.ingress].filter((side) => side !== undefined);
  return {
    allowed: verdict.allowed,
    lines: explainLines(verdict),
    spans: uniqueSpans(sides.flatMap((side) => spansOf(side))),
    ...(verdict.notGradable === undefined ? {} : { notGradable: verdict.notGradable.text }),
  };
}

/**
 * One line a side, then near misses, such as
 * "ingress of shop/db: isolated by shop/deny-all; no rule allows shop/web to 5432/TCP".
 */
export function explainLines(verdict: OracleVerdict): string[] {
  const sides = [verdict.egress, verdict.ingress].filter((side) => side !== undefined);
  const lines = sides.flatMap((side) => [explainSide(side, verdict.flow), ...nearMissLines(side)]);
  if (sides.length === 0) lines.push("neither end is a pod under policy: nothing to isolate");
  if (verdict.notGradable !== undefined) lines.push(`not graded: ${verdict.notGradable.text}`);
  return lines;
}

function explainSide(side: SideVerdict, flow: OracleFlow): string {
  const { passedBy } = side;
  const passed = passedBy === undefined ? "" : `; passed on by ${adminRuleName(passedBy)}`;
  const head = `${side.direction} of ${side.pod.namespace}/${side.pod.name}${passed}`;
  if (side.decidedBy !== undefined) return `${head}: ${decisionText(side.decidedBy)}`;
  if (side.isolatedBy.length === 0) return `${head}: not isolated, no policy selects it for ${side.direction}`;
  const isolated = `${head}: isolated by ${list(side.isolatedBy.map(policyName))}`;
  if (side.allowedBy.length > 0) return `${isolated}; allowed by ${list(side.allowedBy.map(ruleName))}`;
  if (side.ownNode) return `${isolated}; no rule allows it, but a pod's own node is always allowed`;
  const whom =
    side.direction === "egress"
      ? `to ${endName(flow.to)}${portSuffix(flow)}`
      : `from ${endName(flow.from)}${portSuffix(flow, " to ")}`;
  return `${isolated}; no rule allows ${flow.protocol === "ICMP" ? "ICMP " : ""}${whom}`;
}

function nearMissLines(side: SideVerdict): string[] {
  return side.nearMisses.slice(0, NEAR_MISSES_SHOWN).map(({ rule, missedBy }) => {
    const parts = rule.placed.policy.spec[rule.direction]?.[rule.index];
    const { from, to, ports } = (parts ?? {}) as {
      from?: NetworkPolicyPeer[];
      to?: NetworkPolicyPeer[];
      ports?: NetworkPolicyPort[];
    };
    const wanted =
      missedBy === "port"
        ? `allows only ${list((ports ?? []).map(formatPort))}`
        : `is only for ${list((from ?? to ?? []).map(formatPeer))}`;
    return `  near miss: ${ruleName(rule)} ${wanted}`;
  });
}

function ruleName({ placed, direction, index }: RuleRef | AdminRuleRef): string {
  return `${policyName(placed)} ${direction} rule ${index + 1}`;
}

/** `AdminNetworkPolicy/guard ingress rule 1 "no-web"`; the name only where the rule has one. */
export function adminRuleName(ref: AdminRuleRef): string {
  const name = ref.placed.policy.spec[ref.direction]?.[ref.index]?.name;
  return name === undefined || name === "" ? ruleName(ref) : `${ruleName(ref)} "${name}"`;
}

/** `denied by AdminNetworkPolicy/guard ingress rule 1 (Admin tier)`. */
export function decisionText({ tier, action, rule }: AdminDecision): string {
  const words = { Allow: "allowed by", Deny: "denied by", Pass: "left open, passed on by" };
  return `${words[action]} ${adminRuleName(rule)} (${tier} tier)`;
}

/** Where a rule stands, else its policy. */
export function ruleSpan<Placed extends PolicyPlaces>({ placed, direction, index }: RuleRef<Placed>): Span | undefined {
  return placed.ruleSpans?.[direction][index] ?? placed.span;
}

function formatPeer({ ipBlock, namespaceSelector, podSelector }: NetworkPolicyPeer): string {
  if (ipBlock !== undefined) {
    return ipBlock.except === undefined || ipBlock.except.length === 0
      ? ipBlock.cidr
      : `${ipBlock.cidr} except ${ipBlock.except.join(", ")}`;
  }
  const pods = `pods ${formatSelector(podSelector ?? {})}`;
  return namespaceSelector === undefined ? pods : `${pods} in namespaces ${formatSelector(namespaceSelector)}`;
}

function formatPort({ protocol = "TCP", port, endPort }: NetworkPolicyPort): string {
  if (port === undefined) return `any ${protocol} port`;
  return `${port}${endPort === undefined ? "" : `-${endPort}`}/${protocol}`;
}

function endName(end: OracleEnd): string {
  if (end.kind === "pod") return `${end.namespace}/${end.name}`;
  return end.kind === "node" ? `node ${end.name}` : end.address;
}

function portSuffix({ port, protocol }: OracleFlow, lead = ":"): string {
  return port === undefined ? "" : `${lead}${port}/${protocol}`;
}

/** At most three, then how many more. */
function list(items: readonly string[]): string {
  return items.length <= 4 ? items.join(", ") : `${items.slice(0, 3).join(", ")} and ${items.length - 3} more`;
}

function spansOf({ decidedBy, passedBy, allowedBy, isolatedBy }: SideVerdict): Span[] {
  const admin = [decidedBy?.rule, passedBy].map((ref) => (ref === undefined ? undefined : ruleSpan(ref)));
  return [...admin, ...allowedBy.map((ref) => ruleSpan(ref)), ...isolatedBy.map(({ span }) => span)].filter(
    (span) => span !== undefined,
  );
}

function uniqueSpans(spans: readonly Span[]): Span[] {
  return [...new Map(spans.map((span) => [`${span.file}:${span.line}:${span.column}`, span])).values()];
}
