import { makeVisibleLine } from "../core/visible-text.ts";
import { describeDuration } from "./cell-text.ts";
import { paintFor, type Paint } from "./colour.ts";
import type { LabTest, LabTests, StateGrade, TestedMutant } from "./test-types.ts";
import { verdictWords, type ReportOptions } from "./types.ts";

/** The tests of labs' graders for people: a table, what is wrong with each lab and its place, a summary line. */
export function renderLabTests(tests: LabTests, { colour }: Pick<ReportOptions, "colour">): string {
  const paint = paintFor(colour);
  const blocks = [
    tableLines(tests.labs, paint),
    ...tests.labs.map((lab) => labLines(lab, paint)),
    [summaryLine(tests, paint)],
  ];
  return `${blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join("\n"))
    .join("\n\n")}\n`;
}

const head = ["lab", "untouched", "solved", "mutants", "noticed", "survived", "equivalent", "time"] as const;

function tableLines(labs: readonly LabTest[], paint: Paint): string[] {
  const rows = labs.map((lab) => ({ lab, cells: rowOf(lab) }));
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map(({ cells }) => cells[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return [
    `  ${paint.bold(line(head.map((title) => title.toUpperCase())))}`,
    ...rows.map(({ lab, cells }) => `${markOf(lab, paint)} ${line(cells)}`),
  ];
}

function rowOf({ lab, untouched, solved, mutants, counts, notRun, durationMs }: LabTest): string[] {
  const name = makeVisibleLine(lab.name);
  if (notRun !== undefined) return [name, notRun.isRefusal ? "not run" : "failed to run"];
  const figures = [mutants.length, counts.noticed, counts.survived, counts.equivalent];
  return [name, gradeText(untouched), gradeText(solved), ...figures.map(String), describeDuration(durationMs)];
}

function gradeText(grade: StateGrade | undefined): string {
  if (grade === undefined) return "-";
  const bonus = grade.bonus === undefined ? "" : ` +${grade.bonus.earned}/${grade.bonus.possible}`;
  return grade.possible > 0 ? `${grade.earned}/${grade.possible}${bonus}` : verdictWords[grade.verdict];
}

function markOf({ verdict, notRun }: LabTest, paint: Paint): string {
  if (notRun?.isRefusal === true) return paint.dim("-");
  return { pass: paint.green("✓"), fail: paint.red("✗"), inconclusive: paint.yellow("?") }[verdict];
}

function labLines({ lab, findings, mutants, notRun }: LabTest, paint: Paint): string[] {
  const equivalent = mutants.filter(({ status }) => status === "equivalent");
  const refused = mutants.filter(({ status }) => status === "refused");
  const lines = [
    ...(notRun === undefined ? [] : [`  ${paint.dim(notRun.code)} ${makeVisibleLine(notRun.message)}`]),
    ...findings.flatMap(({ code, message, hint, file, line }) => [
      `  ${paint.red("✗")} ${paint.bold(`${makeVisibleLine(file)}:${line}`)}  ${paint.red(code)}  ${makeVisibleLine(message)}`,
      ...(hint === undefined ? [] : [`    ${paint.cyan("hint:")} ${makeVisibleLine(hint)}`]),
    ]),
    ...listed(equivalent, "does the same as the solution", paint),
    ...listed(refused, "is refused by the API", paint),
  ];
  return lines.length === 0 ? [] : [paint.bold(makeVisibleLine(lab.name)), ...lines];
}

function listed(mutants: readonly TestedMutant[], what: string, paint: Paint): string[] {
  return mutants.map(({ kind, name, what: change, file, line, why = what }) =>
    paint.dim(`  = ${makeVisibleLine(`${file}:${line}  ${kind} ${name}, ${change}: ${why}`)}`),
  );
}

function summaryLine({ labs, verdict, durationMs }: LabTests, paint: Paint): string {
  const ran = labs.filter(({ notRun }) => notRun === undefined);
  const count = (status: TestedMutant["status"]): number => ran.reduce((sum, { counts }) => sum + counts[status], 0);
  const colour = { pass: paint.green, fail: paint.red, inconclusive: paint.yellow }[verdict];
  const parts = [
    `${ran.length} of ${labs.length} labs tested`,
    `${count("noticed")} mutants noticed`,
    `${count("survived")} survived`,
    `${count("equivalent")} equivalent`,
    `in ${describeDuration(durationMs)}`,
  ];
  return `${colour(verdictWords[verdict])}: ${parts.join(", ")}`;
}
