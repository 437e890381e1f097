import { cniText } from "../core/cni-text.ts";
import { makeVisibleLine } from "../core/visible-text.ts";
import { describeDuration, describeKey } from "./cell-text.ts";
import { paintFor, type Paint } from "./colour.ts";
import { drawFigures } from "./compare-figures.ts";
import type {
  CellSide,
  ComparedVariant,
  Comparison,
  DifferingCell,
  LabComparison,
  StaleDivergence,
} from "./compare-types.ts";
import { shorten } from "./matrix-table.ts";
import { verdictWords, type ReportOptions } from "./types.ts";

/** Cells beyond these are counted: the first ones nearly always say what is different. */
const mostCellsOfOneProbe = 4;
const mostInconclusive = 5;

const statusMarks: Record<DifferingCell["status"], (paint: Paint) => string> = {
  different: (paint) => paint.red("✗"),
  known: (paint) => paint.yellow("≈"),
  explained: (paint) => paint.yellow("~"),
  ungraded: (paint) => paint.dim("-"),
};

const statusTitles: Record<DifferingCell["status"], string> = {
  different: "different",
  known: "known differences",
  explained: "explained differences",
  ungraded: "not graded, and different",
};

/** The comparison for people: what ran, the cells that differ and why, figures side by side, a summary line. */
export function renderComparison(comparison: Comparison, { colour, width }: ReportOptions): string {
  const paint = paintFor(colour);
  const blocks = [
    ...comparison.labs.map((lab) => labLines(lab, paint, width)),
    staleLines(comparison.stale, paint),
    [summaryLine(comparison, paint)],
  ];
  return `${blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join("\n"))
    .join("\n\n")}\n`;
}

function labLines(lab: LabComparison, paint: Paint, width: number): string[] {
  const { name, title } = lab.lab;
  const statuses = ["different", "known", "explained", "ungraded"] as const;
  return [
    `${paint.bold(makeVisibleLine(title))}  ${paint.dim(`${name} · ${lab.state}`)}`,
    ...variantLines(lab.variants, paint),
    ...lab.notes.map((note) => `  ${paint.yellow("note:")} ${makeVisibleLine(note)}`),
    `  ${countsText(lab)}`,
    ...statuses.flatMap((status) => differenceLines(lab, status, paint, width)),
    ...inconclusiveLines(lab, paint, width),
    ...drawFigures(lab, paint, width),
  ];
}

function variantLines(variants: readonly ComparedVariant[], paint: Paint): string[] {
  const names = variants.map(variantName);
  const longest = Math.max(...names.map((text) => text.length));
  return variants.flatMap(({ label, grade, notRun }, index) => {
    const head = `  ${paint.bold(label)}  ${(names[index] ?? "").padEnd(longest)}`;
    if (notRun !== undefined) {
      const hint = notRun.hint === undefined ? [] : [paint.dim(`     hint: ${makeVisibleLine(notRun.hint)}`)];
      const why = `     ${paint.dim(notRun.code)} ${makeVisibleLine(notRun.message)}`;
      return [`${head}  ${notRun.isRefusal ? paint.dim("not run") : paint.red("failed to run")}`, why, ...hint];
    }
    if (grade === undefined) return [head];
    const points = grade.possible > 0 ? `, ${grade.earned}/${grade.possible} points` : "";
    return [`${head}  ${verdictWords[grade.verdict]}${points}`];
  });
}

/** `calico:vxlan v3.30.2 on netns`; `weave:sleeve encrypted=true 2.9.0 on kind`. */
function variantName({ provider, cni, mode, options, cniVersion, savedAt }: ComparedVariant): string {
  const saved = savedAt === undefined ? "" : `, saved ${savedAt.slice(0, 16).replace("T", " ")}`;
  return `${cniText(cni, mode, options)} ${cniVersion} on ${provider}${saved}`;
}

function countsText({ counts }: LabComparison): string {
  if (counts.cells === 0) return "nothing was compared";
  const parts = [
    `${counts.equal} of ${counts.cells} cells equal`,
    ...(["different", "known", "explained"] as const).flatMap((status) =>
      counts[status] > 0 ? [`${counts[status]} ${status}`] : [],
    ),
    ...(counts.ungraded > 0 ? [`${counts.ungraded} not graded and different`] : []),
  ];
  return parts.join(", ");
}

function differenceLines(lab: LabComparison, status: DifferingCell["status"], paint: Paint, width: number): string[] {
  const cells = lab.differences.filter((cell) => cell.status === status);
  if (cells.length === 0) return [];
  const lines = ["", `  ${paint.bold(statusTitles[status])}`];
  for (const probe of new Set(cells.map((cell) => cell.probe))) {
    const ofProbe = cells.filter((cell) => cell.probe === probe);
    lines.push(`  ${statusMarks[status](paint)} ${makeVisibleLine(probe)}`);
    const reasons = [...new Set(ofProbe.flatMap(({ because }) => because.map(becauseText)))];
    lines.push(...reasons.map((text) => `    ${makeVisibleLine(text)}`));
    for (const cell of ofProbe.slice(0, mostCellsOfOneProbe)) {
      lines.push(`    ${describeKey(cell)}`);
      lines.push(...cell.sides.flatMap((side, index) => sideLine(side, lab.variants[index], paint, width)));
    }
    const left = ofProbe.length - mostCellsOfOneProbe;
    if (left > 0) lines.push(paint.dim(`    … and ${left} more; -o json has them all`));
  }
  return lines;
}

function becauseText({ text, upstream }: DifferingCell["because"][number]): string {
  return upstream === undefined ? text : `${text} (${upstream})`;
}

function sideLine(
  side: CellSide | undefined,
  variant: ComparedVariant | undefined,
  paint: Paint,
  width: number,
): string[] {
  if (side === undefined) return [];
  const { observed, verdict, reason, facts } = side;
  const mark = { pass: "passed", fail: "failed", inconclusive: "inconclusive", absent: "" }[verdict];
  const told = Object.entries(facts)
    .filter(([, value]) => !reason.includes(String(value)))
    .map(([fact, value]) => `${fact} ${value}`);
  const detail = [reason, ...told].filter((part) => part !== "").join("; ");
  const start = `      ${variant?.label ?? "?"}  ${mark.padEnd(12)}  ${observed}`;
  return [`${start}${paint.dim(shorten(`: ${makeVisibleLine(detail)}`, Math.max(20, width - start.length)))}`];
}

function inconclusiveLines({ inconclusive }: LabComparison, paint: Paint, width: number): string[] {
  if (inconclusive.length === 0) return [];
  const shown = inconclusive.slice(0, mostInconclusive).flatMap((cell) => {
    const where = `  ${paint.yellow("?")} ${cell.variant}  ${makeVisibleLine(cell.probe)}: ${describeKey(cell)}`;
    return [where, paint.dim(`       ${shorten(makeVisibleLine(cell.reason), Math.max(20, width - 7))}`)];
  });
  const left = inconclusive.length - mostInconclusive;
  return [
    "",
    `  ${paint.bold("inconclusive")}`,
    ...shown,
    ...(left > 0 ? [paint.dim(`    … and ${left} more; -o json has them all`)] : []),
  ];
}

function staleLines(stale: readonly StaleDivergence[], paint: Paint): string[] {
  if (stale.length === 0) return [];
  return [
    paint.bold("Known divergences that no longer reproduce"),
    ...stale.flatMap(({ place, lab, probe, what, upstream }) => [
      `${paint.red("✗")} ${place}  ${makeVisibleLine(lab)}: ${makeVisibleLine(probe)}`,
      `    ${makeVisibleLine(what)} (${upstream})`,
    ]),
    paint.dim("remove the entry, or mend what keeps the difference from being seen"),
  ];
}

function summaryLine({ verdict, labs, stale, durationMs }: Comparison, paint: Paint): string {
  const sum = (pick: (lab: LabComparison) => number): number => labs.reduce((total, lab) => total + pick(lab), 0);
  const notRun = sum(({ variants }) => variants.filter((variant) => variant.notRun !== undefined).length);
  const inconclusive = sum((lab) => lab.inconclusive.length);
  const parts = [
    `${sum(({ counts }) => counts.equal)} of ${sum(({ counts }) => counts.cells)} cells equal`,
    `${sum(({ counts }) => counts.different)} unexplained`,
    ...(["known", "explained"] as const).flatMap((status) => {
      const count = sum(({ counts }) => counts[status]);
      return count > 0 ? [`${count} ${status}`] : [];
    }),
    ...(stale.length > 0 ? [`${stale.length} stale`] : []),
    ...(inconclusive > 0 ? [`${inconclusive} inconclusive`] : []),
    ...(notRun > 0 ? [`${notRun} not run`] : []),
  ];
  const colour = { equal: paint.green, different: paint.red, inconclusive: paint.yellow }[verdict];
  return `${paint.bold(colour(verdict))}: ${parts.join(", ")} in ${describeDuration(durationMs)}`;
}
