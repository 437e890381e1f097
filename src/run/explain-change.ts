import { findClues } from "../policy/clues.ts";
import { decisionText, ruleSpan } from "../policy/explain.ts";
import { policyName } from "../policy/oracle.ts";
import type {
  AdminDecision,
  OracleVerdict,
  OracleWorld,
  PlacedAdminPolicy,
  PlacedPolicy,
  RuleRef,
  SideVerdict,
} from "../policy/types.ts";
import type { ExplainedReason } from "../report/explain-types.ts";

/** Why a cell changed, by the sides that did: the policies and rules that came, went, or no longer match. */
export function changeReasons(before: OracleVerdict, now: OracleVerdict, world: OracleWorld): ExplainedReason[] {
  return (["egress", "ingress"] as const).flatMap((direction) => {
    const [was, is] = [before[direction], now[direction]];
    if (was === undefined || is === undefined || was.allowed === is.allowed) return [];
    if (is.decidedBy !== undefined) return [decisionReason(is, is.decidedBy, `now ${decisionText(is.decidedBy)}`)];
    if (was.decidedBy !== undefined) {
      const formerly = decisionReason(is, was.decidedBy, `before it was ${decisionText(was.decidedBy)}`);
      return [formerly, ...(is.allowed ? [] : is.isolatedBy.map((placed) => isolationReason(is, placed, "isolates")))];
    }
    return is.allowed ? openedBy(was, is) : closedBy(was, is, now, world);
  });
}

function decisionReason(side: SideVerdict, { rule }: AdminDecision, text: string): ExplainedReason {
  return reason(side, rule.placed, text, rule);
}

function openedBy(was: SideVerdict, is: SideVerdict): ExplainedReason[] {
  if (is.isolatedBy.length === 0) {
    return was.isolatedBy.map((placed) =>
      reason(is, placed, `${policyName(placed)} no longer isolates the ${endOf(is)} for ${is.direction}`),
    );
  }
  return is.allowedBy.map((ref) =>
    reason(is, ref.placed, `${policyName(ref.placed)} ${is.direction} rule ${ref.index + 1} now allows it`, ref),
  );
}

function closedBy(was: SideVerdict, is: SideVerdict, now: OracleVerdict, world: OracleWorld): ExplainedReason[] {
  if (was.isolatedBy.length === 0) {
    return is.isolatedBy.map((placed) => isolationReason(is, placed, "now isolates"));
  }
  const gone = was.allowedBy.map((ref) =>
    reason(is, ref.placed, `${policyName(ref.placed)} ${is.direction} rule ${ref.index + 1} allowed it before`, ref),
  );
  const [clue] = findClues(world, now).filter(({ side }) => side === is.direction);
  return clue === undefined
    ? gone
    : [
        ...gone,
        {
          direction: is.direction,
          policy: policyName(clue.policy),
          text: `now ${clue.text}`,
          ...(clue.span && { span: clue.span }),
        },
      ];
}

function isolationReason(is: SideVerdict, placed: PlacedPolicy, verb: string): ExplainedReason {
  const text = `${policyName(placed)} ${verb} the ${endOf(is)} for ${is.direction}, and no rule allows it`;
  return reason(is, placed, text);
}

function endOf({ direction }: SideVerdict): string {
  return direction === "egress" ? "source" : "destination";
}

function reason<Placed extends PlacedPolicy | PlacedAdminPolicy>(
  { direction }: SideVerdict,
  placed: Placed,
  text: string,
  rule?: RuleRef<Placed>,
): ExplainedReason {
  const span = rule === undefined ? placed.span : ruleSpan(rule);
  return {
    direction,
    policy: policyName(placed),
    text,
    ...(rule === undefined ? {} : { rule: rule.index + 1 }),
    ...(span === undefined ? {} : { span }),
  };
}
