import { makeVisibleLine } from "../core/visible-text.ts";
import { paintFor, type Paint } from "./colour.ts";
import type { ExplainedChange, ExplainedClass, ExplainedDiff, ExplainedMatrix } from "./explain-types.ts";
import { placeText, sourceLines } from "./explain.ts";
import { drawGrid, fitGrid } from "./matrix-grid.ts";
import { describeMarks, saidMarks } from "./matrix-symbols.ts";
import { type GridTable, inOrder, labelsOf } from "./matrix-table.ts";
import type { ReportOptions } from "./types.ts";

const mostPodsDrawn = 20;
const mostClassesListed = 20;
const mostChanges = 20;
const mostNames = 4;
const mostReasons = 3;

/**
 * Every pair of pods as a grid; of more than twenty pods, every pair of classes; of more than twenty classes, counts a
 * port.
 */
export function renderExplainedMatrix(matrix: ExplainedMatrix, { colour, width }: ReportOptions): string {
  const paint = paintFor(colour);
  const { classes, ports, hostNetworkPods, portsLeftOut } = matrix;
  const count = classes.reduce((sum, { pods }) => sum + pods.length, 0);
  const table = count <= mostPodsDrawn ? podTable(matrix) : classTable(matrix);
  const layout = fitGrid(table, width);
  const lines = [
    ...sourceLines(matrix.source, paint),
    `${count} ends in ${classes.length} classes; no policy tells those of one class apart`,
  ];
  if (hostNetworkPods > 0)
    lines.push(paint.dim(`${hostNetworkPods} pods on the host network are left out: policies do not see them`));
  lines.push("");
  if (layout === undefined) lines.push(...classLines(classes, paint));
  else lines.push(...drawGrid(table, layout, paint), describeMarks(Object.values(saidMarks), paint));
  lines.push("");
  for (const { port, protocol, allowed, pairs } of ports) {
    lines.push(`${paint.bold(`${port}/${protocol}`)}  ${allowed} of ${pairs} pairs allowed`);
  }
  if (portsLeftOut > 0)
    lines.push(paint.dim(`${portsLeftOut} more ports are named by pods and rules: --ports shows them`));
  return `${lines.join("\n")}\n`;
}

function podTable({ classes, ports }: ExplainedMatrix): GridTable {
  const classOf = new Map(classes.flatMap(({ pods }, id) => pods.map((pod) => [pod, id] as const)));
  const rows = new Map(ports.map(({ port, protocol, rows: of }) => [`${port}/${protocol}`, of]));
  const names = [...classOf.keys()].toSorted(inOrder);
  return {
    names,
    labels: labelsOf(names),
    ports: [...rows.keys()],
    markAt: (from, to, port) => {
      if (from === to) return saidMarks.itself;
      return markOf(rows.get(port)?.[classOf.get(from) ?? -1]?.[classOf.get(to) ?? -1]);
    },
  };
}

function classTable({ classes, ports }: ExplainedMatrix): GridTable {
  const rows = new Map(ports.map(({ port, protocol, rows: of }) => [`${port}/${protocol}`, of]));
  const names = classes.map((_each, id) => String(id));
  return {
    names,
    labels: labelsOf(classes.map(({ pods }) => pods[0] ?? "")).map((label, id) => {
      const more = (classes[id]?.pods.length ?? 0) - 1;
      return more > 0 ? `${label} +${more}` : label;
    }),
    ports: [...rows.keys()],
    markAt: (from, to, port) => {
      if (from === to && classes[Number(from)]?.pods.length === 1) return saidMarks.itself;
      return markOf(rows.get(port)?.[Number(from)]?.[Number(to)]);
    },
  };
}

function markOf(bit: string | undefined): (typeof saidMarks)["allowed" | "blocked"] | undefined {
  if (bit === undefined) return undefined;
  return bit === "1" ? saidMarks.allowed : saidMarks.blocked;
}

/** The largest classes, with what isolates them. */
function classLines(classes: readonly ExplainedClass[], paint: Paint): string[] {
  const sorted = classes.toSorted((a, b) => b.pods.length - a.pods.length);
  const isolation = (list: string[]): string => (list.length === 0 ? "open" : namesText(list));
  const lines = sorted
    .slice(0, mostClassesListed)
    .map(({ pods, egressIsolatedBy, ingressIsolatedBy, adminPolicies = [] }) => {
      const name = makeVisibleLine(pods.length > 1 ? `${pods[0]} +${pods.length - 1}` : (pods[0] ?? ""));
      const admin = adminPolicies.length === 0 ? "" : `; cluster-wide: ${namesText(adminPolicies)}`;
      return `${name}  ${paint.dim(`egress: ${isolation(egressIsolatedBy)}; ingress: ${isolation(ingressIsolatedBy)}${admin}`)}`;
    });
  const left = sorted.length - lines.length;
  return left > 0 ? [...lines, paint.dim(`… and ${left} more classes; -o json has every pair`)] : lines;
}

/** The cells that change, those with the same reasons together. */
export function renderExplainedDiff(diff: ExplainedDiff, { colour }: Pick<ReportOptions, "colour">): string {
  const paint = paintFor(colour);
  const { opened, closed, changes, podsOnlyBefore, podsOnlyNow } = diff;
  const ports = diff.ports.map(({ port, protocol }) => `${port}/${protocol}`).join(", ");
  const lines = [
    `from ${sourceLines(diff.other, paint).join()}`,
    `  to ${sourceLines(diff.source, paint).join()}`,
    `on ${ports}: ${paint.green(`${opened} ${opened === 1 ? "pair" : "pairs"} opened`)}, ${paint.red(`${closed} closed`)}`,
  ];
  if (diff.portsLeftOut > 0)
    lines.push(paint.dim(`${diff.portsLeftOut} more ports are named by pods and rules: --ports shows them`));
  if (podsOnlyBefore.length > 0) lines.push(`gone, not compared: ${namesText(podsOnlyBefore)}`);
  if (podsOnlyNow.length > 0) lines.push(`new, not compared: ${namesText(podsOnlyNow)}`);
  const shown = changes.slice(0, mostChanges);
  for (const change of shown) lines.push("", ...changeLines(change, paint));
  const left = changes.length - shown.length;
  if (left > 0) lines.push("", paint.dim(`… and ${left} more changes; -o json has them`));
  if (diff.changesLeftOut > 0)
    lines.push(paint.dim(`of ${diff.changesLeftOut} pairs of classes only the number was worked out`));
  return `${lines.join("\n")}\n`;
}

function changeLines({ change, port, protocol, pairs, from, to, why }: ExplainedChange, paint: Paint): string[] {
  const mark = change === "opened" ? paint.green("+ opened") : paint.red("- closed");
  const head = `${mark} ${port}/${protocol}  ${namesText(from)} → ${namesText(to)}${pairs > 1 ? paint.dim(`  (${pairs} pairs)`) : ""}`;
  const reasons = why
    .slice(0, mostReasons)
    .map(({ text, span }) => `    ${makeVisibleLine(text)}${placeText(span, paint)}`);
  return why.length > mostReasons
    ? [head, ...reasons, paint.dim(`    … and ${why.length - mostReasons} more`)]
    : [head, ...reasons];
}

function namesText(names: readonly string[]): string {
  const shown = names.slice(0, mostNames).map(makeVisibleLine).join(", ");
  return names.length > mostNames ? `${shown} and ${names.length - mostNames} more` : shown;
}
