import { stringify } from "yaml";
import { makeVisibleLine } from "../core/visible-text.ts";
import type { ExamLabReport, ExamReport } from "./exam-types.ts";
import { addTask, builder, xmlText } from "./junit.ts";
import { paintFor, type Paint } from "./colour.ts";
import type { ReporterName } from "./registry.ts";
import { taskLines } from "./terminal.ts";
import { describeTime, wholeSeconds } from "./time-text.ts";
import { verdictWords, type ReportOptions } from "./types.ts";

/** Every way to write an exam's report: those of a lab's. Each text ends with a line feed. */
export const examReporters: Readonly<Record<ReporterName, (report: ExamReport, options: ReportOptions) => string>> = {
  table: renderTable,
  json: (report) => `${JSON.stringify(report, undefined, 2)}\n`,
  yaml: (report) => stringify(report, { aliasDuplicateObjects: false, lineWidth: 0 }),
  junit: renderJunit,
};

function renderTable(report: ExamReport, { colour }: ReportOptions): string {
  const paint = paintFor(colour);
  const blocks = [
    [`${paint.bold(makeVisibleLine(report.title))}  ${paint.dim(report.name)}`],
    ...report.labs.map((lab) => labLines(lab, report, paint)),
    [summaryLine(report, paint)],
  ];
  return `${blocks.map((block) => block.join("\n")).join("\n\n")}\n`;
}

function labLines(lab: ExamLabReport, { labs }: ExamReport, paint: Paint): string[] {
  const { title, score, earned, possible, bonus, notGraded, time, tasks, weight } = lab;
  const weights = labs.some((each) => each.weight !== weight) ? `, weight ${weight}` : "";
  const more = bonus === undefined ? "" : `, ${bonus.earned}/${bonus.possible} bonus points`;
  const points = notGraded === undefined ? `${earned}/${possible} points${more}` : "not graded";
  const [, ...taskTexts] = taskLines({ mode: "grade", grade: { tasks } }, paint);
  return [
    `${paint.bold(makeVisibleLine(title))}  ${paint.dim(lab.lab)}  ${score} %  ${points}${paint.dim(weights)}`,
    ...taskTexts,
    ...(notGraded === undefined ? [] : [`  ${paint.dim(notGraded.code)} ${makeVisibleLine(notGraded.message)}`]),
    ...(time === undefined ? [] : [`  ${describeTime(time)}`]),
  ];
}

function summaryLine({ verdict, score, passMark, usedMs, limitMs }: ExamReport, paint: Paint): string {
  const colour = { pass: paint.green, fail: paint.red, inconclusive: paint.yellow }[verdict];
  const time = usedMs === undefined ? "" : `, ${wholeSeconds(usedMs)} of ${wholeSeconds(limitMs)} used`;
  return `${colour(verdictWords[verdict])}: ${score} % of the points, ${passMark} % pass${time}`;
}

/**
 * A suite a lab with a case a task, and a suite of the exam with the one case that decides. In an exam that is passed all the same, tasks that were missed are `skipped`.
 */
function renderJunit(report: ExamReport): string {
  const { name, verdict, labs, startedAt } = report;
  const root = builder.newBuilder().name(xmlText(`cnilab exam ${name}`));
  const isDecisive = verdict !== "pass";
  for (const { lab, weight, tasks, notGraded } of labs) {
    const suite = root.testSuite().name(xmlText(lab)).timestamp(startedAt).property("weight", String(weight));
    for (const task of tasks) addTask(suite.testCase(), lab, task, isDecisive && task.isBonus !== true);
    if (notGraded === undefined) continue;
    const testCase = suite
      .testCase()
      .className(xmlText(`${lab}.lab`))
      .name("not graded");
    const text = xmlText(`${notGraded.code}: ${notGraded.message}`);
    if (isDecisive) testCase.error(text, "inconclusive");
    else testCase.skipped().standardOutput(text);
  }
  const suite = root.testSuite().name("exam").timestamp(startedAt);
  const testCase = suite
    .testCase()
    .className(xmlText(`${name}.exam`))
    .name("pass mark");
  const text = xmlText(summaryLine(report, paintFor(false)));
  if (verdict === "pass") testCase.standardOutput(text);
  else if (verdict === "fail") testCase.failure(text, "fail");
  else testCase.error(text, "inconclusive");
  return `${root.build().trimEnd()}\n`;
}
