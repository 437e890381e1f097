import type { Span } from "../core/errors.ts";
import { cidrContains, parseCidr, parseIp } from "../core/ip.ts";
import type { PolicyReason } from "../grade/types.ts";
import { decisionText, explainVerdict } from "../policy/explain.ts";
import { createOracle } from "../policy/oracle.ts";
import type { OracleEnd, OracleFlow, OracleVerdict, OracleWorld } from "../policy/types.ts";
import type { Flow, Source } from "../providers/types.ts";
import { PairAnswers } from "./pair-answers.ts";

/** What the policies expect of a flow. */
export interface FlowAnswer {
  /** Absent where the API, or the Service's backends, leave it open: `why.notGradable` says so. */
  expected?: "allowed" | "blocked";
  why: PolicyReason;
  /** A pod to itself, directly. */
  isLoopback: boolean;
}

/** Answers what policies say of probes' flows, Services included. */
export interface FlowOracle {
  answer(flow: Flow): FlowAnswer;
  /**
   * Who says so, one line for each policy, direction and enforcing node: `ingress shop/deny on worker1`. None where no policy is asked, or
   * nobody can say.
   */
  deciders(flow: Flow): string[];
}

/** What is needed besides the world to read a probe's flow. */
export interface FlowContext {
  serviceCidrs: readonly string[];
  /** Addresses of the host outside the cluster; none where the lab has no such host. */
  externalAddresses: readonly string[];
  /** Whether cluster-wide policies are enforced; absent: they are not. */
  enforcesAdminPolicy?: boolean | undefined;
}

/**
 * Puts an oracle of the world behind probes' flows. A flow to a Service is judged as one to each of its pods on the
 * target port, because policies see what kube-proxy made of it; where the pods' verdicts differ nothing is expected. Nor is
 * it where cluster-wide policies would decide otherwise than NetworkPolicies and nothing enforces them.
 */
export function createFlowOracle(world: OracleWorld, context: FlowContext): FlowOracle {
  const isWhole = context.enforcesAdminPolicy === true || (world.adminPolicies ?? []).length === 0;
  const oracle = createOracle(isWhole ? world : { ...world, adminPolicies: [] });
  const withAdmin = isWhole ? undefined : createOracle(world);
  const pods = new Set(world.pods.map(({ namespace, name }) => `${namespace}/${name}`));
  const nodes = new Set((world.nodes ?? []).map(({ name }) => name));
  const serviceCidrs = context.serviceCidrs.map(parseCidr).filter((cidr) => cidr !== undefined);
  const known = new Map<string, KnownAddress>();
  const addressOf = (text: string): KnownAddress => {
    let found = known.get(text);
    if (found === undefined) {
      const address = parseIp(text);
      const isService = address !== undefined && serviceCidrs.some((cidr) => cidrContains(cidr, address));
      known.set(text, (found = { family: address?.family, isService }));
    }
    return found;
  };

  const pairs = new PairAnswers(world, (flow) => {
    const verdict = oracle.verdict(flow);
    return { verdict, answer: answerOf(verdict) };
  });

  const endOf = (source: Source): OracleEnd | string => {
    switch (source.kind) {
      case "pod":
        return pods.has(`${source.namespace}/${source.name}`)
          ? { kind: "pod", namespace: source.namespace, name: source.name }
          : `there is no pod ${source.namespace}/${source.name}`;
      case "node":
        return nodes.has(source.name) ? { kind: "node", name: source.name } : `there is no node ${source.name}`;
      case "external": {
        const [address] = context.externalAddresses;
        return address === undefined ? "the address of the outside host is not known" : { kind: "address", address };
      }
    }
  };

  const flowsOf = (flow: Flow): OracleFlow[] | string => {
    const from = endOf(flow.from);
    if (typeof from === "string") return from;
    const address = addressOf(flow.address);
    const targets = targetsOf(flow, address, endOf);
    if (typeof targets === "string") return targets;
    const { family } = address;
    const protocol = protocolOf(flow);
    return targets.map(({ end, port }): OracleFlow => ({ from, to: end, protocol, port, family }));
  };

  /** Of flows between pods; undefined of others, and where the oracle has to be asked. */
  const answerByClasses = (flow: Flow): FlowAnswer | undefined => {
    const { from, address, port } = flow;
    if (from.kind !== "pod" || port === undefined) return undefined;
    const { family, isService } = addressOf(address);
    if (family === undefined || isService) return undefined;
    return pairs.answer({ from, address, port, protocol: protocolOf(flow), family });
  };

  return {
    deciders(flow) {
      const flows = flowsOf(flow);
      if (typeof flows === "string") return [];
      return [...new Set(flows.flatMap((each) => decidersOf(oracle.verdict(each))))];
    },
    answer(flow) {
      const byClasses = withAdmin === undefined ? answerByClasses(flow) : undefined;
      if (byClasses !== undefined) return byClasses;
      const flows = flowsOf(flow);
      if (typeof flows === "string") return unknown(flows);
      const verdicts = flows.map((each) => oracle.verdict(each));
      const enforced = withAdmin === undefined ? [] : flows.map((each) => withAdmin.verdict(each));
      return combine(verdicts, unenforced(verdicts, enforced));
    },
  };
}

/** Of a flow that is allowed, the policies of both sides that let it through; of one that is blocked, those that do not. */
function decidersOf({ allowed, egress, ingress }: OracleVerdict): string[] {
  return [egress, ingress].flatMap((side) => {
    if (side === undefined || side.allowed !== allowed) return [];
    const { direction, pod, decidedBy, isolatedBy, allowedBy } = side;
    const policies =
      decidedBy !== undefined
        ? [decidedBy.rule.placed.policy]
        : (allowed ? allowedBy.map(({ placed }) => placed) : isolatedBy).map(({ policy }) => policy);
    return policies.map(({ metadata: { namespace, name } }) => {
      const policy = namespace === undefined ? name : `${namespace}/${name}`;
      return `${direction} ${policy} on ${pod.node ?? "no node"}`;
    });
  });
}

interface Target {
  end: OracleEnd;
  port: number | undefined;
}

/** What a flow's address is, worked out once each. */
interface KnownAddress {
  /** Undefined where it is none. */
  family: 4 | 6 | undefined;
  isService: boolean;
}

/** Where the flow's packets go after Service translation, or why that is not known. */
function targetsOf(
  flow: Flow,
  { family, isService }: KnownAddress,
  endOf: (source: Source) => OracleEnd | string,
): Target[] | string {
  // The address says more than the object: it is what the packet carries.
  if (family !== undefined && !isService) return [{ end: { kind: "address", address: flow.address }, port: flow.port }];
  if (isService && flow.protocol === "icmp") return `${flow.address} is a Service's address, and Services take no ICMP`;
  if (flow.to.length === 0) return `no pods are known behind ${flow.address}`;
  if (isService && flow.targetPorts?.length !== flow.to.length) {
    return `the ports of the pods behind ${flow.address} are not known`;
  }
  const targets: Target[] = [];
  for (const [index, source] of flow.to.entries()) {
    const end = endOf(source);
    if (typeof end === "string") return end;
    targets.push({ end, port: flow.targetPorts?.[index] ?? flow.port });
  }
  return targets;
}

/** Why cluster-wide policies make the flow no matter of a grade, where they do. */
function unenforced(verdicts: readonly OracleVerdict[], enforced: readonly OracleVerdict[]): string | undefined {
  const at = enforced.findIndex(
    ({ allowed, notGradable }, index) =>
      allowed !== verdicts[index]?.allowed || notGradable?.cause !== verdicts[index]?.notGradable?.cause,
  );
  const other = enforced[at];
  if (other === undefined) return undefined;
  const { allowed, egress, ingress } = other;
  const sides = [egress, ingress].filter((side) => side !== undefined);
  const decision = sides.find((side) => side.decidedBy !== undefined && side.allowed === allowed)?.decidedBy;
  const why = decision === undefined ? "cluster-wide policies say otherwise" : `it would be ${decisionText(decision)}`;
  return `${why}, and nothing here enforces cluster-wide policies`;
}

function combine(verdicts: readonly OracleVerdict[], withoutAdmin: string | undefined): FlowAnswer {
  const [only] = verdicts;
  if (only !== undefined && verdicts.length === 1 && withoutAdmin === undefined) return answerOf(only);
  const reasons = verdicts.map(explainVerdict);
  const allowed = verdicts.every((verdict) => verdict.allowed);
  const open = reasons.find(({ notGradable }) => notGradable !== undefined)?.notGradable;
  const differs =
    !allowed && verdicts.some((verdict) => verdict.allowed)
      ? "the policies allow some of the Service's pods and block others, and which one answers is chance"
      : undefined;
  const notGradable = withoutAdmin ?? open ?? differs;
  const why: PolicyReason = {
    allowed,
    lines: [...new Set(reasons.flatMap(({ lines }) => lines))],
    spans: uniqueSpans(reasons.flatMap(({ spans }) => spans)),
    ...(notGradable === undefined ? {} : { notGradable }),
    ...(withoutAdmin === undefined ? {} : { isUnenforced: true as const }),
  };
  const isLoopback = verdicts.every((verdict) => verdict.notGradable?.cause === "loopback");
  return notGradable === undefined
    ? { expected: allowed ? "allowed" : "blocked", why, isLoopback }
    : { why, isLoopback };
}

/** {@link combine} of one verdict, which most flows have. */
function answerOf(verdict: OracleVerdict): FlowAnswer {
  const { allowed, lines, spans, notGradable } = explainVerdict(verdict);
  const why: PolicyReason = { allowed, lines: [...new Set(lines)], spans: uniqueSpans(spans) };
  const isLoopback = verdict.notGradable?.cause === "loopback";
  if (notGradable !== undefined) return { why: { ...why, notGradable }, isLoopback };
  return { expected: allowed ? "allowed" : "blocked", why, isLoopback };
}

function uniqueSpans(spans: readonly Span[]): Span[] {
  if (spans.length < 2) return [...spans];
  return [...new Map(spans.map((span) => [`${span.file}:${span.line}`, span])).values()];
}

function unknown(reason: string): FlowAnswer {
  return { why: { allowed: false, lines: [reason], spans: [], notGradable: reason }, isLoopback: false };
}

function protocolOf({ protocol }: Flow): OracleFlow["protocol"] {
  if (protocol === "icmp") return "ICMP";
  return protocol === "udp" ? "UDP" : "TCP";
}
