import type { KernelLook } from "./node-look.ts";
import { policiesMet, type CountedRule, type MovedRule } from "./rules.ts";

/** What is known of a node after the flow was tried again. */
export interface NodeFindings {
  kernel: KernelLook;
  /** Rules that counted packets meanwhile. */
  moved: readonly MovedRule[];
  /** All rules. */
  rules: readonly CountedRule[];
  /** As the flow's own capture showed it. */
  source: { address: string; port?: number } | undefined;
}

const MOST_RULES = 3;

/** What the node did with the flow, a line each: rules that dropped, with the policies on their way; how it is tracked. */
export function nodeSummary(node: string, { kernel, moved, rules, source }: NodeFindings): string[] {
  const isOfFlow = ({ chain }: CountedRule): boolean => kernel.devices.some((device) => chain.includes(device));
  const blocking = moved.filter(({ blocks }) => blocks);
  const own = blocking.filter(isOfFlow);
  // A rule for all pods alike, such as Weave's, names no interface: it is told, as what happened meanwhile.
  const shown = (own.length > 0 ? own : blocking).slice(0, MOST_RULES);
  const lines = shown.map((rule) => {
    const met = policiesMet([rule.chain], moved, rules, { onlyCounted: false });
    const policies = met.length === 0 ? "" : `; policies it came by: ${met.join(", ")}`;
    return `node ${node} ${verbOf(rule)} ${packets(rule.moved)}${own.length > 0 ? "" : " meanwhile"}: ${nameOf(rule)}${policies}`;
  });
  const dispatched = [...new Set(moved.filter(isOfFlow).map(({ chain }) => chain))];
  const allowing = policiesMet(dispatched, moved, rules, { onlyCounted: true });
  if (shown.length === 0 && allowing.length > 0) lines.push(`node ${node} let it through by ${allowing.join(", ")}`);
  const states = trackedStates(kernel, source);
  if (states.length > 0) lines.push(`node ${node} tracks it (conntrack): ${states.join(", ")}`);
  return lines;
}

function verbOf({ text }: CountedRule): string {
  return /\breject\b/i.test(text) ? "rejected" : "dropped";
}

function packets(count: number): string {
  return `${count} ${count === 1 ? "packet" : "packets"}`;
}

/** Chain and the comment that says most: Calico's first is a hash. */
function nameOf({ chain, comments, text }: CountedRule): string {
  const comment = comments.findLast((each) => !each.startsWith("cali:"));
  return `${chain} ${comment === undefined ? `"${text}"` : JSON.stringify(comment)}`;
}

/** `SYN_SENT (unreplied)`, of connections from the flow's own end. */
function trackedStates({ conntrack }: KernelLook, source: NodeFindings["source"]): string[] {
  if (source?.port === undefined) return [];
  const entries = conntrack
    .flatMap(({ found }) => found.stdout.split("\n"))
    .filter((line) => line.includes(` src=${source.address} `) && line.includes(` sport=${source.port} `));
  return [...new Set(entries.map(stateOf))];
}

/** conntrack(8): protocol, number, seconds left, the state of protocols that have one, then both directions. */
function stateOf(line: string): string {
  const state = /^\w+\s+\d+\s+\d+ ([A-Z_]+) /.exec(line)?.[1];
  const unreplied = line.includes("[UNREPLIED]") ? "unreplied" : undefined;
  return [state, unreplied].filter((word) => word !== undefined).join(" ") || "replied";
}
