import { stripVTControlCharacters } from "node:util";
import { LabProblems } from "../core/errors.ts";
import { makeVisibleLine } from "../core/visible-text.ts";
import type { CellKey, GradeReport, Verdict } from "../grade/types.ts";
import { describeDuration, describeKey, describePort } from "./cell-text.ts";
import { paintFor, type Paint } from "./colour.ts";
import { isMatrix, renderMatrix } from "./matrix.ts";
import { headLines, probeLine, taskLines } from "./terminal.ts";
import { verdictWords } from "./types.ts";
import type { ChangedCell, RegradeEvent, WatchedLab, WatchedSide, WatchEvent } from "./watch-types.ts";

/** What a terminal shows of a watched lab. */
export interface WatchScreen {
  lab: WatchedLab;
  /** The last one. */
  regrade?: RegradeEvent;
  /** What is shown may be of before a change; what is done about it. */
  busy?: "a change is taking effect" | "grading in full";
  /** Newest last; one line each. */
  notes: string[];
  /** `undefined` where no keys are read. */
  keys?: string;
}

export interface ScreenSize {
  colour: boolean;
  width: number;
  height: number;
}

const mostChangesListed = 8;
/** Select Graphic Rendition (ECMA-48), which colours are made of. */
const sgr = new RegExp(`(${String.fromCharCode(27)}\\[[0-9;]*m)`);

/** The lines of the screen, no more than fit; what does not is said in the last but one. */
export function renderWatchScreen(screen: WatchScreen, { colour, width, height }: ScreenSize): string[] {
  const paint = paintFor(colour);
  const { lab, regrade, busy, notes, keys } = screen;
  const [title = ""] = headLines({ ...lab, notes: [] }, paint);
  const head = [
    title,
    regrade === undefined ? paint.dim("not graded yet") : scoreLine(regrade.grade, paint),
    ...(busy === undefined ? [] : [paint.yellow(`${busy}; what is below is of before`)]),
    ...(regrade === undefined ? [] : [paint.dim(sentence(regrade))]),
    ...(regrade?.ongoing ?? []).map((what) =>
      paint.yellow(`${makeVisibleLine(what)} is open: what is changed there shows when it ends`),
    ),
    ...(lab.unwatched.length === 0
      ? []
      : [paint.dim(`only in a full grade: ${lab.unwatched.map(makeVisibleLine).join(", ")}`)]),
    ...notes.map((note) => paint.yellow(note)),
  ];
  const body = regrade === undefined ? [] : bodyLines(regrade, paint, width);
  const foot = keys === undefined ? [] : ["", paint.dim(keys)];
  const room = Math.max(1, height - head.length - foot.length - 1);
  const shown =
    body.length <= room
      ? body
      : [
          ...body.slice(0, room - 1),
          paint.dim(`… ${body.length - room + 1} more lines: a taller terminal, or cnilab grade`),
        ];
  return [...head, "", ...shown, ...foot].slice(0, height).map((line) => cut(line, width));
}

function bodyLines(regrade: RegradeEvent, paint: Paint, width: number): string[] {
  const { grade, changed } = regrade;
  const report = { mode: "grade" as const, grade };
  const lines = grade.probes.filter((probe) => !isMatrix(probe)).map((probe) => probeLine(report, probe, paint));
  const marked = new Set(changed.map(({ probe, key }) => cellName(probe, key)));
  for (const probe of grade.probes.filter(isMatrix)) {
    const isMarked = (key: CellKey): boolean => marked.has(cellName(probe.name, key));
    lines.push(probeLine(report, probe, paint));
    lines.push(...renderMatrix(probe, paint, width - 2, isMarked).map((line) => `  ${line}`.trimEnd()));
  }
  if (changed.length > 0) {
    lines.push(paint.bold("Changed"), ...changed.slice(0, mostChangesListed).map((cell) => changeLine(cell, paint)));
    if (changed.length > mostChangesListed) lines.push(paint.dim(`  and ${changed.length - mostChangesListed} more`));
  }
  return [...lines, ...taskLines(report, paint).flatMap((line) => line.split("\n"))];
}

function changeLine({ key, before, now }: ChangedCell, paint: Paint): string {
  const mark = now === undefined ? paint.dim("-") : verdictGlyph(now.verdict, paint);
  return `  ${mark} ${describeKey(key)}  ${sideText(before)} → ${sideText(now)}`;
}

function sideText(side: WatchedSide | undefined): string {
  return side === undefined ? "no such cell" : (side.observed ?? "not probed");
}

function verdictGlyph(verdict: Verdict, paint: Paint): string {
  return { pass: paint.green("✓"), fail: paint.red("✗"), inconclusive: paint.yellow("?") }[verdict];
}

function scoreLine(grade: GradeReport, paint: Paint): string {
  const colour = { pass: paint.green, fail: paint.red, inconclusive: paint.yellow }[grade.verdict];
  return `${paint.bold(colour(verdictWords[grade.verdict]))}: ${scoreText(grade)}`;
}

function scoreText({ probes, earned, possible, bonus }: GradeReport): string {
  const required = probes.filter(({ isBonus }) => isBonus !== true);
  const cells = required.flatMap((probe) => probe.cells);
  const passed = (list: readonly { verdict: Verdict }[]): number =>
    list.filter(({ verdict }) => verdict === "pass").length;
  return [
    ...(possible > 0 ? [`${earned}/${possible} points`] : []),
    ...(bonus === undefined ? [] : [`${bonus.earned}/${bonus.possible} bonus points`]),
    `${passed(required)} of ${required.length} probes passed`,
    `${passed(cells)} of ${cells.length} cells as expected`,
  ].join(", ");
}

/** `22:14:03  NetworkPolicy shop/db created: 12 of 72 cells probed in 34 ms, 8 changed`. */
function sentence({ at, because, whole, probed, cells, changed, durationMs }: RegradeEvent): string {
  const time = at.slice(11, 19);
  if (cells === 0) return `${time}Z  the lab's record changed: nothing was probed`;
  const what = [...new Set([...whole, ...because])].map(makeVisibleLine);
  const named = what.length > 3 ? `${what.slice(0, 3).join(", ")} and ${what.length - 3} more` : what.join(", ");
  const count = whole.length > 0 ? `all ${cells} cells` : `${probed} of ${cells} cells`;
  return `${time}Z  ${named}: ${count} probed in ${describeDuration(durationMs)}, ${changed.length} changed`;
}

/** One line of an event for logs; undefined for what only a screen shows. */
export function watchLine(event: WatchEvent): string | undefined {
  switch (event.type) {
    case "regrade":
      return `${verdictWords[event.grade.verdict]}: ${scoreText(event.grade)}; ${sentence(event)}`;
    case "graded":
      return `graded in full, ${verdictWords[event.report.grade.verdict]}: ${scoreText(event.report.grade)}`;
    case "changing":
    case "grading":
    case "warning":
    case "problem":
      return undefined;
    case "applied":
    case "ended":
      return noteOf(event);
  }
}

/** What people are told besides grades. */
export function noteOf(event: Extract<WatchEvent, { type: "applied" | "ended" | "warning" | "problem" }>): string {
  switch (event.type) {
    case "applied":
      return `applied ${event.files.map(makeVisibleLine).join(", ")}: ${event.changes.map(makeVisibleLine).join(", ") || "nothing is other than before"}`;
    case "warning":
      return `${event.warning.code}  ${makeVisibleLine(event.warning.message)}`;
    case "problem": {
      const problems = event.error instanceof LabProblems ? event.error.problems : [event.error];
      const [first] = problems;
      if (first === undefined) return "";
      const { span, code, message } = first;
      const place = span === undefined ? "" : `${span.file}:${span.line}:${span.column}  `;
      const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
      return `${makeVisibleLine(place)}${code}  ${makeVisibleLine(message)}${more}; nothing was applied`;
    }
    case "ended":
      return { lab: "the lab has ended", passed: "passed", asked: "ended" }[event.reason];
  }
}

/** One NDJSON document of an event, without line feed; undefined for what only a screen shows. */
export function watchDocument(event: WatchEvent, { lab }: WatchedLab): object | undefined {
  const base = { apiVersion: "cnilab.dev/v1alpha1", kind: "WatchEvent", lab: lab.name };
  switch (event.type) {
    case "regrade": {
      const { grade, ...rest } = event;
      const { verdict, earned, possible, bonus, counts, time } = grade;
      return { ...base, ...rest, verdict, earned, possible, counts, ...(bonus && { bonus }), ...(time && { time }) };
    }
    case "graded": {
      const { verdict, earned, possible, bonus, counts } = event.report.grade;
      return { ...base, type: event.type, verdict, earned, possible, counts, ...(bonus && { bonus }) };
    }
    case "problem": {
      const problems = event.error instanceof LabProblems ? event.error.problems : [event.error];
      const told = problems.map(({ code, message, hint, span }) => ({ code, message, hint, span }));
      return { ...base, type: event.type, problems: told };
    }
    case "warning":
    case "applied":
    case "ended":
      return { ...base, ...event };
    case "changing":
    case "grading":
      return undefined;
  }
}

function cellName(probe: string, key: CellKey): string {
  return JSON.stringify([probe, key.from, key.to, describePort(key)]);
}

/** At most `width` columns of what is seen; colours stay whole. */
function cut(line: string, width: number): string {
  if (stripVTControlCharacters(line).length <= width) return line;
  let seen = 0;
  let result = "";
  for (const part of line.split(sgr)) {
    if (part.startsWith("\x1b[")) result += part;
    else {
      const room = width - 1 - seen;
      result += part.length > room && room >= 0 ? `${part.slice(0, room)}…` : part.slice(0, Math.max(0, room));
      seen += part.length;
      if (seen > width - 1) seen = width;
    }
  }
  return result;
}
