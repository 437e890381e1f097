import { LabError, LabProblems, type Span } from "../core/errors.ts";
import { ruleSpan } from "../policy/explain.ts";
import { createOracle, policyName } from "../policy/oracle.ts";
import { findClues } from "../policy/clues.ts";
import type { AdminRuleRef, OracleEnd, OracleVerdict, SideVerdict } from "../policy/types.ts";
import type {
  ExplainedAdminRule,
  ExplainedPath,
  ExplainedSide,
  ExplainedSource,
  Explanation,
} from "../report/explain-types.ts";
import type { RunContext } from "./context.ts";
import { resolveFrom, resolveTo, type ResolvedTarget } from "./explain-ends.ts";
import { type PolicySource, readSource, type SourceRequest } from "./explain-source.ts";
import { modelWorld, type PolicyModel } from "./explain-world.ts";

/** One flow to explain. */
export interface ExplainRequest extends SourceRequest {
  from: string;
  to: string;
}

/** Names may stand for many pods; pairs beyond these are not looked at one by one. */
const MAX_PAIRS = 2500;

/** What the policies of a lab, a cluster's manifests or a running lab say of a flow. Throws LabProblems with all that is wrong. */
export async function explainLab(request: ExplainRequest, context: RunContext): Promise<Explanation> {
  const source = await readSource(request, context);
  for (const warning of source.warnings) context.emit({ type: "warning", warning });
  return explainFlow(source, request.from, request.to);
}

/** {@link explainLab}, of objects that were read. */
export function explainFlow(source: PolicySource, from: string, to: string): Explanation {
  const model = modelWorld(source);
  const [sources, target] = bothOrProblems(
    () => resolveFrom(from, model),
    () => resolveTo(to, model),
  );
  if (sources.length * target.targets.length > MAX_PAIRS) {
    throw new LabError(
      "USAGE_BAD_FLOW",
      `${from} and ${to} stand for ${sources.length * target.targets.length} pairs of pods`,
      {
        hint: `name fewer, at most ${MAX_PAIRS}; --all shows every pair`,
      },
    );
  }
  const paths = explainPairs(model, sources, target);
  const { port, protocol, service } = target;
  return {
    apiVersion: "cnilab.dev/v1alpha1",
    kind: "Explanation",
    source: describeSource(source, model),
    from,
    to,
    port,
    protocol,
    verdict: overall(paths),
    ...(service === undefined ? {} : { service: service.name }),
    paths,
  };
}

/** Where a model came from, for a report. */
export function describeSource(
  { name, kind, policies, adminPolicies }: PolicySource,
  { world, hasModelledPods }: PolicyModel,
): ExplainedSource {
  const admin = adminPolicies.length === 0 ? {} : { adminPolicies: adminPolicies.length };
  return { name, kind, pods: world.pods.length, policies: policies.length, ...admin, hasModelledPods };
}

function explainPairs(model: PolicyModel, sources: readonly OracleEnd[], target: ResolvedTarget): ExplainedPath[] {
  const oracle = createOracle(model.world);
  const paths = new Map<string, ExplainedPath>();
  for (const from of sources) {
    for (const { end, port } of target.targets) {
      const verdict = oracle.verdict({ from, to: end, port, protocol: target.protocol });
      const key = JSON.stringify([reasonsOf(verdict), port]);
      const known = paths.get(key);
      if (known === undefined) paths.set(key, explainPath(model, verdict, port, target));
      else known.alike++;
    }
  }
  return [...paths.values()];
}

/** Equal for verdicts that would be explained alike. */
function reasonsOf({ allowed, notGradable, egress, ingress }: OracleVerdict): unknown {
  const sides = [egress, ingress].map((side) =>
    side === undefined
      ? undefined
      : [
          side.isolatedBy.map(policyName),
          side.allowedBy.map(({ placed, index }) => [policyName(placed), index]),
          side.nearMisses.map(({ rule, missedBy }) => [policyName(rule.placed), rule.index, missedBy]),
          [side.decidedBy?.rule, side.passedBy].map((ref) => ref && [policyName(ref.placed), ref.index]),
        ],
  );
  return [allowed, notGradable?.cause, sides];
}

function explainPath(model: PolicyModel, verdict: OracleVerdict, port: number, target: ResolvedTarget): ExplainedPath {
  const { service } = target;
  const translated = service && { service: service.name, port: target.port, addresses: service.addresses };
  const clues = findClues(model.world, verdict, translated);
  const { flow, allowed, notGradable, egress, ingress } = verdict;
  const explain = (side: SideVerdict): ExplainedSide => ({
    direction: side.direction,
    pod: `${side.pod.namespace}/${side.pod.name}`,
    allowed: side.allowed,
    ownNode: side.ownNode,
    isolatedBy: side.isolatedBy.map((placed) => ({ policy: policyName(placed), ...spanOf(placed.span) })),
    allowedBy: side.allowedBy.map((ref) => ({
      policy: policyName(ref.placed),
      rule: ref.index + 1,
      ...spanOf(ruleSpan(ref)),
    })),
    clues: clues
      .filter((clue) => clue.side === side.direction)
      .map(({ code, text, policy, rule, span }) => ({
        code,
        text,
        policy: policyName(policy),
        ...(rule === undefined ? {} : { rule: rule.index + 1 }),
        ...spanOf(span),
      })),
    ...describeTiers(side),
  });
  return {
    from: endName(flow.from),
    to: endName(flow.to),
    port,
    alike: 0,
    allowed,
    ...(notGradable === undefined ? {} : { open: notGradable.text }),
    sides: [egress, ingress].filter((side) => side !== undefined).map(explain),
  };
}

function describeTiers({ decidedBy, passedBy }: SideVerdict): Pick<ExplainedSide, "decidedBy" | "passedBy"> {
  return {
    ...(passedBy === undefined ? {} : { passedBy: describeAdminRule(passedBy) }),
    ...(decidedBy === undefined
      ? {}
      : { decidedBy: { tier: decidedBy.tier, action: decidedBy.action, ...describeAdminRule(decidedBy.rule) } }),
  };
}

function describeAdminRule(ref: AdminRuleRef): ExplainedAdminRule {
  const name = ref.placed.policy.spec[ref.direction]?.[ref.index]?.name;
  return {
    policy: policyName(ref.placed),
    rule: ref.index + 1,
    ...(name === undefined ? {} : { name }),
    ...spanOf(ruleSpan(ref)),
  };
}

function spanOf(span: Span | undefined): { span?: Span } {
  return span === undefined ? {} : { span };
}

function endName(end: OracleEnd): string {
  if (end.kind === "pod") return `${end.namespace}/${end.name}`;
  return end.kind === "node" ? `node/${end.name}` : end.address;
}

function overall(paths: readonly ExplainedPath[]): Explanation["verdict"] {
  if (paths.some(({ open }) => open !== undefined)) return "open";
  if (paths.every(({ allowed }) => allowed)) return "allowed";
  return paths.some(({ allowed }) => allowed) ? "mixed" : "blocked";
}

/** Both results, or everything that is wrong with either. */
function bothOrProblems<One, Two>(one: () => One, two: () => Two): [One, Two] {
  const problems: LabError[] = [];
  const attempt = <Result>(act: () => Result): Result | undefined => {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      problems.push(error);
      return undefined;
    }
  };
  const results = [attempt(one), attempt(two)] as const;
  if (problems.length > 0) throw new LabProblems(problems);
  return results as [One, Two];
}
