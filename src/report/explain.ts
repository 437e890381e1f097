import type { Span } from "../core/errors.ts";
import { makeVisibleLine } from "../core/visible-text.ts";
import { paintFor, type Paint } from "./colour.ts";
import type {
  ExplainedAdminRule,
  ExplainedPath,
  ExplainedSide,
  ExplainedSource,
  Explanation,
} from "./explain-types.ts";
import type { ReportOptions } from "./types.ts";

/** Near misses shown a side; more would bury the answer. */
const mostClues = 4;
const mostPaths = 8;
const mostPolicies = 6;

/** The explanation for people: the verdict, then each side's policies with their places, then near misses. */
export function renderExplanation(explanation: Explanation, { colour }: Pick<ReportOptions, "colour">): string {
  const paint = paintFor(colour);
  const { from, to, verdict, paths } = explanation;
  const shown = paths.slice(0, mostPaths);
  const lines = [
    `${paint.bold(makeVisibleLine(`${from} → ${to}`))}  ${verdictText(verdict, paint)}`,
    ...sourceLines(explanation.source, paint),
    ...shown.flatMap((path) => ["", ...pathLines(path, explanation, paint)]),
  ];
  if (paths.length > shown.length)
    lines.push("", paint.dim(`… and ${paths.length - shown.length} more; -o json has all`));
  return `${lines.join("\n")}\n`;
}

/** One line on where the objects were read, and what of them is made up. */
export function sourceLines(
  { name, kind, pods, policies, adminPolicies, hasModelledPods }: ExplainedSource,
  paint: Paint,
): string[] {
  const words = {
    manifests: "manifests",
    revision: "a revision",
    lab: "a lab's manifests",
    "running-lab": "a lab as it runs now",
    cluster: "a cluster as it is now",
  };
  const modelled = hasModelledPods ? "; pods without an address have one that is made up" : "";
  const admin = adminPolicies === undefined ? "" : `, ${adminPolicies} cluster-wide`;
  const counts = `${pods} pods, ${policies} policies${admin}`;
  return [paint.dim(makeVisibleLine(`${name} (${words[kind]}): ${counts}${modelled}`))];
}

function verdictText(verdict: Explanation["verdict"], paint: Paint): string {
  return {
    allowed: paint.green("allowed"),
    blocked: paint.red("blocked"),
    mixed: paint.yellow("allowed for some pods, blocked for others"),
    open: paint.yellow("left open by the API"),
  }[verdict];
}

function pathLines(path: ExplainedPath, { service, port, protocol, paths }: Explanation, paint: Paint): string[] {
  const end = path.to.includes(":") ? `[${path.to}]` : path.to;
  const title = `${path.from} → ${end}:${path.port}/${protocol}`;
  const more = path.alike === 0 ? "" : paint.dim(`  and ${path.alike} more alike`);
  const word = path.allowed ? paint.green("allowed") : paint.red("blocked");
  const lines = [`${makeVisibleLine(title)}${paths.length > 1 ? `  ${word}` : ""}${more}`];
  if (service !== undefined) {
    lines.push(
      paint.dim(`  Service ${service}: port ${port} becomes the pod's ${path.port}; policies see the pod and its port`),
    );
  }
  for (const side of path.sides) lines.push(...sideLines(side, paint));
  if (path.sides.length === 0) lines.push("  neither end is a pod under policy: nothing to isolate");
  if (path.open !== undefined) lines.push(`  ${paint.yellow("left open:")} ${path.open}`);
  return lines;
}

function sideLines(side: ExplainedSide, paint: Paint): string[] {
  const mark = side.allowed ? paint.green("✓") : paint.red("✗");
  const lines = [`  ${mark} ${side.direction} of ${makeVisibleLine(side.pod)}: ${sideWords(side)}`];
  if (side.passedBy !== undefined) lines.push(`      passed on by ${adminRule(side.passedBy, side, paint)}`);
  if (side.decidedBy !== undefined) {
    const { tier } = side.decidedBy;
    lines.push(`      ${tier} tier: ${adminRule(side.decidedBy, side, paint)}`);
  }
  const isolating = side.isolatedBy.slice(0, mostPolicies);
  for (const { policy, span } of isolating) lines.push(`      isolated by ${policy}${placeText(span, paint)}`);
  if (side.isolatedBy.length > isolating.length) {
    lines.push(paint.dim(`      … and ${side.isolatedBy.length - isolating.length} more policies`));
  }
  for (const { policy, rule, span } of side.allowedBy.slice(0, mostPolicies)) {
    lines.push(`      ${paint.green("allowed by")} ${policy} ${side.direction} rule ${rule}${placeText(span, paint)}`);
  }
  for (const { code, text, span } of side.clues.slice(0, mostClues)) {
    const lead = code === "dns-egress" || side.allowed ? paint.yellow("note:") : paint.yellow("near miss:");
    lines.push(`      ${lead} ${makeVisibleLine(text)}${placeText(span, paint)}`);
  }
  if (side.clues.length > mostClues)
    lines.push(paint.dim(`      … and ${side.clues.length - mostClues} more near misses`));
  return lines;
}

function adminRule(
  { policy, rule, name, span }: ExplainedAdminRule,
  { direction }: ExplainedSide,
  paint: Paint,
): string {
  const own = name === undefined ? "" : ` "${name}"`;
  return `${makeVisibleLine(`${policy} ${direction} rule ${rule}${own}`)}${placeText(span, paint)}`;
}

const DECISIONS = {
  Allow: "a cluster-wide policy allows it",
  Deny: "a cluster-wide policy denies it",
  Pass: "open, the last tier passes it on",
};

function sideWords({ isolatedBy, allowedBy, allowed, ownNode, direction, decidedBy }: ExplainedSide): string {
  if (decidedBy !== undefined) return DECISIONS[decidedBy.action];
  if (isolatedBy.length === 0) return `open, no policy selects it for ${direction}`;
  if (allowedBy.length > 0) return "a rule allows it";
  return allowed || ownNode ? "no rule allows it, but a pod's own node is always allowed" : "no rule allows it";
}

/** Two blanks and `file:line:column`; nothing without a place. */
export function placeText(span: Span | undefined, paint: Paint): string {
  return span === undefined ? "" : paint.dim(`  ${makeVisibleLine(span.file)}:${span.line}:${span.column}`);
}
