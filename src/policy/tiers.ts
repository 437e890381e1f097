import type { CompiledAdminPolicy, CompiledAdminRule } from "./compile-admin.ts";
import type { Truth } from "./match.ts";
import type { AdminAction, Direction, NotGradableCause, Tier } from "./types.ts";

/** Why nobody can tell what policies come to. */
export type OpenCause = Extract<NotGradableCause, "node-address" | "equal-priority">;

/** What the policies of one tier say of a flow. */
export interface TierFinding {
  /** The rule that counts; undefined where none matches. */
  rule: CompiledAdminRule | undefined;
  /** What other rules would do that might count in its place. */
  others: readonly { action: AdminAction; cause: OpenCause }[];
}

const NOTHING: TierFinding = { rule: undefined, others: [] };

/**
 * The first rule that matches, by precedence of policies, then by the order in each. Where policies of one priority have
 * rules that match, the first one's counts, and the others' might; so might a rule whose peer hangs on an unknown address.
 */
export function findRule(
  policies: readonly CompiledAdminPolicy[],
  tier: Tier,
  direction: Direction,
  weigh: (rule: CompiledAdminRule) => Truth,
): TierFinding {
  if (policies.length === 0) return NOTHING;
  const others: { action: AdminAction; cause: OpenCause }[] = [];
  let found: { rule: CompiledAdminRule; priority: number } | undefined;
  for (const policy of policies) {
    if (policy.tier !== tier) continue;
    if (found !== undefined && policy.priority !== found.priority) break;
    for (const rule of policy[direction]) {
      const truth = weigh(rule);
      if (truth === "no") continue;
      if (truth === "unknown") {
        others.push({ action: rule.action, cause: "node-address" });
        continue;
      }
      if (found === undefined) found = { rule, priority: policy.priority };
      else others.push({ action: rule.action, cause: "equal-priority" });
      break;
    }
  }
  return { rule: found?.rule, others };
}

/** What a side comes to: whether it is let through for certain, and the likeliest reading. */
export interface Outcome {
  truth: Truth;
  /** Why it is unknown. */
  cause?: OpenCause | undefined;
  isLikelyAllowed: boolean;
}

/** Makes an outcome of a tier's finding; `next` is what it comes to where no rule matches, or one passes it on. */
export function settle({ rule, others }: TierFinding, next: () => Outcome): Outcome {
  const outcomeOf = (action: AdminAction | undefined): Outcome => {
    if (action === "Allow") return { truth: "yes", isLikelyAllowed: true };
    return action === "Deny" ? { truth: "no", isLikelyAllowed: false } : next();
  };
  const main = outcomeOf(rule?.action);
  const other = others.find(({ action }) => outcomeOf(action).truth !== main.truth);
  return other === undefined || main.truth === "unknown" ? main : { ...main, truth: "unknown", cause: other.cause };
}
