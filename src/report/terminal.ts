import { optionsText } from "../core/cni-text.ts";
import { makeVisible, makeVisibleLine } from "../core/visible-text.ts";
import type { JudgedProbe, JudgedTask, TimeUse, Verdict } from "../grade/types.ts";
import {
  describeDuration,
  describeExpectation,
  describeFeedback,
  describeHints,
  describeObservation,
  describePhase,
  describeRecovery,
} from "./cell-text.ts";
import { paintFor, type Paint } from "./colour.ts";
import { renderFailure } from "./failure.ts";
import { isMatrix, renderMatrix } from "./matrix.ts";
import { describeTime } from "./time-text.ts";
import { verdictWords, type Report, type ReportOptions } from "./types.ts";

/** Failures beyond these are counted, not shown: the first ones nearly always say what is wrong. */
const mostFailuresShown = 10;
const mostFailuresOfOneProbe = 3;

/** The report for people: results, matrices, tasks, failures with their evidence, a summary line. */
export function renderTerminal(report: Report, { colour, width }: ReportOptions): string {
  const paint = paintFor(colour);
  const blocks = [
    headLines(report, paint),
    report.grade.probes.filter((probe) => !isMatrix(probe)).map((probe) => probeLine(report, probe, paint)),
    ...report.grade.probes
      .filter(isMatrix)
      .map((probe) => [
        probeLine(report, probe, paint),
        ...renderMatrix(probe, paint, width - 2).map((line) => `  ${line}`.trimEnd()),
      ]),
    taskLines(report, paint),
    ...failureBlocks(report, paint),
    summaryLines(report, paint),
  ];
  return `${blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join("\n"))
    .join("\n\n")}\n`;
}

/** What was graded, on two lines at most but for notes. */
export function headLines(
  report: Pick<Report, "lab" | "cni" | "nodes" | "provider" | "notes">,
  paint: Paint,
): string[] {
  const { lab, cni } = report;
  const nodes = `${report.nodes} ${report.nodes === 1 ? "node" : "nodes"}`;
  return [
    `${paint.bold(makeVisibleLine(lab.title))}  ${paint.dim(`${lab.name} · ${nodes} · ${report.provider} · ${cni.name} ${cni.mode}${optionsText(cni.options)}`)}`,
    ...report.notes.map((note) => paint.dim(`note: ${makeVisibleLine(note)}`)),
  ];
}

function verdictMark(verdict: Verdict, paint: Paint): string {
  return { pass: paint.green("✓"), fail: paint.red("✗"), inconclusive: paint.yellow("?") }[verdict];
}

/** One line that says how a probe fares. */
export function probeLine(report: Pick<Report, "mode" | "grade">, probe: JudgedProbe, paint: Paint): string {
  const passed = probe.cells.filter((cell) => cell.verdict === "pass").length;
  const total = probe.cells.length;
  const cells = total <= 1 ? oneCellText(probe) : `${passed} of ${total} as expected`;
  const points = report.mode === "grade" && probe.possible > 0 ? `  ${pointsText(probe)}` : "";
  const bonus = probe.isBonus === true && points === "" ? "  bonus" : "";
  const guard = report.mode === "grade" && report.grade.tasks.length > 0 && probe.role === "guard" ? "  guard" : "";
  const expectation = `expect ${makeVisibleLine(probe.expectText)}`;
  const phase = probe.phase === undefined ? "" : `  ${makeVisibleLine(describePhase(probe.phase))}`;
  const recovery = probe.recovery === undefined ? "" : `  ${describeRecovery(probe.recovery, probe.phase)}`;
  return `${ownMark(probe, paint)} ${makeVisibleLine(probe.name)}${phase}  ${paint.dim(expectation)}  ${cells}${recovery}${paint.dim(guard + bonus)}${points}`;
}

function oneCellText(probe: JudgedProbe): string {
  const [cell] = probe.cells;
  if (cell === undefined) return "nothing was probed";
  if (cell.verdict !== "pass") {
    return `${describeExpectation(cell.expected)} expected, ${cell.observation?.outcome ?? "nothing"} observed`;
  }
  return describeObservation(cell.observation);
}

/** The tasks, each with its points and what is wrong. */
export function taskLines(
  report: Pick<Report, "mode"> & { grade: Pick<Report["grade"], "tasks"> },
  paint: Paint,
): string[] {
  if (report.mode !== "grade" || report.grade.tasks.length === 0) return [];
  return [paint.bold("Tasks"), ...report.grade.tasks.flatMap((task) => taskText(task, paint))];
}

/** What was left undone of a bonus is no failure. */
function ownMark({ isBonus, verdict }: Pick<JudgedTask, "isBonus" | "verdict">, paint: Paint): string {
  return isBonus === true && verdict === "fail" ? paint.dim("-") : verdictMark(verdict, paint);
}

/** Nothing for a task that is called by its place. */
function taskName({ name }: JudgedTask): string {
  return /^(task-\d+)?$/.test(name) ? "" : `${makeVisibleLine(name)}: `;
}

function pointsText({ isBonus, earned, possible }: Pick<JudgedTask, "isBonus" | "earned" | "possible">): string {
  return `${earned}/${possible} ${isBonus === true ? "bonus " : ""}points`;
}

function hintsText({ hints }: JudgedTask): string {
  return hints === undefined || hints.taken === 0 ? "" : `  (${describeHints(hints)})`;
}

function taskText(task: JudgedTask, paint: Paint): string[] {
  const voided =
    task.voidedBy.length === 0
      ? []
      : [`    voided: what worked before no longer does: ${task.voidedBy.map(makeVisibleLine).join(", ")}`];
  const wrong =
    task.feedback === undefined
      ? []
      : [`    wrong: ${makeVisibleLine(task.feedback.probe)}: ${describeFeedback(task.feedback)}`];
  // A task may be a paragraph: its own line breaks stay, below its mark.
  const text = makeVisible(task.text.trim()).replaceAll("\n", "\n  ");
  return [
    `${ownMark(task, paint)} ${taskName(task)}${text}  ${pointsText(task)}${hintsText(task)}`,
    ...voided,
    ...wrong,
  ];
}

function failureBlocks(report: Report, paint: Paint): string[][] {
  const all = report.grade.probes.flatMap((probe) =>
    probe.cells.filter((cell) => cell.verdict !== "pass").map((cell) => ({ probe, cell })),
  );
  const [bonus, required] = [all.filter(({ probe }) => probe.isBonus), all.filter(({ probe }) => !probe.isBonus)];
  // What failed comes before what could not be told, so that the bound never hides a failure behind the latter.
  const ordered = [
    ...required.filter(({ cell }) => cell.verdict === "fail"),
    ...required.filter(({ cell }) => cell.verdict !== "fail"),
    ...bonus,
  ];
  const shownOf = new Map<JudgedProbe, number>();
  const picked = ordered.filter(({ probe }) => {
    const count = (shownOf.get(probe) ?? 0) + 1;
    shownOf.set(probe, count);
    return count <= mostFailuresOfOneProbe;
  });
  const shown = picked.slice(0, mostFailuresShown).map(({ probe, cell }) => renderFailure(probe, cell, paint));
  const left = ordered.length - shown.length;
  return left > 0 ? [...shown, [paint.dim(`… and ${left} more cells that did not pass; -o json has them all`)]] : shown;
}

function timeLine(time: TimeUse, paint: Paint): string {
  const text = `time: ${describeTime(time)}`;
  return time.leftMs === undefined ? paint.yellow(text) : paint.dim(text);
}

function summaryLines(report: Report, paint: Paint): string[] {
  const { grade } = report;
  const colour = { pass: paint.green, fail: paint.red, inconclusive: paint.yellow }[grade.verdict];
  const { bonus } = grade;
  const required = grade.probes.filter(({ isBonus }) => isBonus !== true);
  const passed = required.filter((probe) => probe.verdict === "pass").length;
  const cells = required.flatMap((probe) => probe.cells);
  const count = (verdict: Verdict): number => cells.filter((cell) => cell.verdict === verdict).length;
  const parts = [
    `${passed} of ${required.length} probes passed`,
    `${count("pass")} of ${cells.length} cells as expected`,
    ...(count("inconclusive") > 0 ? [`${count("inconclusive")} inconclusive`] : []),
    ...(report.mode === "grade" && grade.possible > 0 ? [`${grade.earned}/${grade.possible} points`] : []),
    ...(report.mode === "grade" && bonus !== undefined ? [`${bonus.earned}/${bonus.possible} bonus points`] : []),
  ];
  const times = report.phases.map((phase) => `${phase.phase} ${describeDuration(phase.durationMs)}`);
  const word = paint.bold(colour(verdictWords[grade.verdict]));
  return [
    ...(grade.time === undefined ? [] : [timeLine(grade.time, paint)]),
    `${word}: ${parts.join(", ")} in ${describeDuration(report.durationMs)}`,
    ...(times.length === 0 ? [] : [paint.dim(times.join(" · "))]),
  ];
}
