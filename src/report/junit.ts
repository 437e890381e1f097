import junit, { type Builder, type TestCase } from "junit-report-builder";
import { makeVisible } from "../core/visible-text.ts";
import type { JudgedCell, JudgedProbe, JudgedTask, TimeUse } from "../grade/types.ts";
import { describeFeedback, describeHints, describeKey, describePhase, describeRecovery } from "./cell-text.ts";
import { paintFor } from "./colour.ts";
import { renderFailure } from "./failure.ts";
import { describeTime } from "./time-text.ts";
import type { Report } from "./types.ts";

// The package's types describe an ES module with a default export; Node loads its CommonJS, which is the builder itself.
export const builder = junit as unknown as Builder;

/**
 * JUnit XML as CI systems read it: a suite a probe, a case a cell, and a suite of the tasks. A failed cell is a `failure`, an inconclusive one an
 * `error`: nothing was shown, so it must not count as passed. Either is `skipped` where only bonus tasks name the probe. Characters that XML 1.0 forbids become visible escapes.
 */
export function renderJunit(report: Report): string {
  const root = builder.newBuilder().name(xmlText(`cnilab ${report.lab.name}`));
  for (const probe of report.grade.probes) {
    const suite = root
      .testSuite()
      .name(xmlText(probe.name))
      .time(seconds(probe.durationMs))
      .timestamp(report.startedAt);
    suite.property("provider", report.provider).property("cni", `${report.cni.name}:${report.cni.mode}`);
    if (probe.isBonus === true) suite.property("bonus", "true");
    if (probe.phase !== undefined) suite.property("phase", xmlText(describePhase(probe.phase)));
    if (probe.recovery !== undefined) suite.property("recovery", describeRecovery(probe.recovery, probe.phase));
    for (const cell of probe.cells) addCase(suite.testCase(), report, probe, cell);
  }
  if (report.mode === "grade" && report.grade.tasks.length > 0) {
    const suite = root.testSuite().name("tasks").timestamp(report.startedAt);
    for (const task of report.grade.tasks) addTask(suite.testCase(), report.lab.name, task, task.isBonus !== true);
  }
  const { time } = report.grade;
  if (time !== undefined) {
    addTime(root.testSuite().name("time limit").timestamp(report.startedAt).testCase(), report, time);
  }
  return `${root.build().trimEnd()}\n`;
}

/** The grade's exit code is also of the time: so is what CI reads. */
function addTime(testCase: TestCase, report: Report, time: TimeUse): void {
  testCase.className(xmlText(`${report.lab.name}.time`)).name("time limit");
  const text = xmlText(describeTime(time));
  if (time.leftMs !== undefined || time.afterLimit === "points") testCase.standardOutput(text);
  else if (time.lateMs !== undefined) testCase.failure(text, "fail");
  else testCase.error(text, "inconclusive");
}

/** A case of a task. One that was missed and is not `isDecisive` is skipped: CI would call the run failed. */
export function addTask(testCase: TestCase, lab: string, task: JudgedTask, isDecisive: boolean): void {
  testCase.className(xmlText(`${lab}.task`)).name(xmlText(task.name));
  if (task.verdict === "pass") return;
  const { feedback, voidedBy } = task;
  const message = xmlText(
    feedback === undefined ? `${task.verdict}: its probes have shown nothing` : describeFeedback(feedback),
  );
  const details = xmlText(
    [
      task.text,
      `${task.earned}/${task.possible} points`,
      ...(feedback === undefined ? [] : [`wrong: ${feedback.probe}: ${describeFeedback(feedback)}`]),
      ...(task.hints === undefined ? [] : [describeHints(task.hints)]),
      ...(voidedBy.length === 0 ? [] : [`voided by: ${voidedBy.join(", ")}`]),
    ].join("\n"),
  ).replaceAll("]]>", "]] >");
  if (!isDecisive) testCase.skipped().standardOutput(details);
  else if (task.verdict === "fail") testCase.failure(message, "fail").stacktrace(details);
  else testCase.error(message, "inconclusive", details);
}

function addCase(testCase: TestCase, report: Report, probe: JudgedProbe, cell: JudgedCell): void {
  const name = probe.cells.length === 1 ? probe.name : `${probe.name}: ${describeKey(cell.key)}`;
  testCase.className(xmlText(`${report.lab.name}.${probe.kind}`)).name(xmlText(name));
  testCase.time(seconds(cell.observation?.latencyMs ?? 0));
  if (probe.span !== undefined) testCase.file(xmlText(probe.span.file));
  if (cell.verdict === "pass") return;
  const message = xmlText(cell.reason);
  // The library writes details as CDATA and splits only the first of its end marks.
  const details = xmlText(renderFailure(probe, cell, paintFor(false)).join("\n")).replaceAll("]]>", "]] >");
  // CI would call the run failed, which a bonus never makes it.
  if (probe.isBonus === true) testCase.skipped().standardOutput(details);
  else if (cell.verdict === "fail") testCase.failure(message, "fail").stacktrace(details);
  else testCase.error(message, "inconclusive", details);
}

/** Whole microseconds: what a clock gives beyond is noise. */
function seconds(durationMs: number): number {
  return Math.round(durationMs * 1000) / 1e6;
}

/** XML 1.0 section 2.2: no control characters but tab and line breaks, no lone surrogates, no U+FFFE and U+FFFF. */
export function xmlText(text: string): string {
  return Buffer.from(makeVisible(text), "utf8")
    .toString("utf8")
    .replaceAll(/[\ufffe\uffff]/g, "\ufffd");
}
