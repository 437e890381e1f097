import pLimit from "p-limit";
import { LabError } from "../../core/errors.ts";
import { labScore, scoreExam, type ExamPart } from "../../grade/exam.ts";
import { measureTime } from "../../grade/time-limit.ts";
import type { TimeUse } from "../../grade/types.ts";
import type { ExamLabReport, ExamReport } from "../../report/exam-types.ts";
import type { AttachedLab } from "../attach-lab.ts";
import type { RunContext } from "../context.ts";
import { gradePlacedLab } from "../grade-placed-lab.ts";
import { lockExam, lockLab } from "../lab-lock.ts";
import { PhaseRunner } from "../phases.ts";
import { prefixedContext } from "../prefixed-context.ts";
import { stampRecord, writeRecord } from "../record.ts";
import { settleFirst } from "../settle-first.ts";
import { attachExamLab, startedExam } from "./exam-labs.ts";
import { timeOfExam } from "./exam-time.ts";
import { knownExam, writeExamRecord, type ExamRecord, type ExamRecordLab } from "./exam-record.ts";

/** Labs graded at once: more only make each other's probes slow. */
const PARALLEL = 2;

/**
 * Ends an exam: closes its labs, grades each and keeps the report; then labs take changes and hints are open again. Of an exam that is finished, its report as it
 * was. A lab that is not there, or that cannot be graded, earns nothing and is inconclusive. Throws EXAM_NOT_FOUND, USAGE_WHICH_EXAM, EXAM_NOT_STARTED, EXAM_BUSY; after an
 * interrupt the exam goes on as it was, with those labs closed that were.
 */
export async function finishExam(argument: string | undefined, context: RunContext): Promise<ExamReport> {
  const { stateRoot } = context;
  const name = knownExam(stateRoot, argument);
  const lock = lockExam(stateRoot, name);
  try {
    const record = startedExam(name, context);
    record.report ??= await gradeExam(record, context);
    record.state = "finished";
    await writeExamRecord(stateRoot, record, context.now());
    // Also of one that was finished by a command that did not come so far.
    for (const lab of record.labs) await openLab(lab, record, context);
    return record.report;
  } finally {
    lock.release();
  }
}

async function gradeExam(record: ExamRecord, context: RunContext): Promise<ExamReport> {
  const { name, title, passMark, limitMs, timing } = record;
  // Whoever calls in time is in time, however long the probes take.
  const begun = context.now();
  const { usedMs } = await timeOfExam(record, context);
  const limit = pLimit(PARALLEL);
  const labs = await Promise.all(record.labs.map((lab) => limit(() => gradeLabOf(record, lab, begun, context))));
  const { verdict, score } = scoreExam(labs.map(partOf), passMark);
  return {
    apiVersion: "cnilab.dev/v1alpha1",
    kind: "ExamReport",
    name,
    title,
    verdict,
    score,
    passMark,
    limitMs,
    ...(usedMs === undefined ? {} : { usedMs }),
    startedAt: timing?.startedAt ?? "",
    finishedAt: context.now().toISOString(),
    labs,
  };
}

function partOf({ weight, verdict, earned, possible, notGraded }: ExamLabReport): ExamPart {
  return { weight, verdict, ...(notGraded === undefined ? { points: { earned, possible } } : {}) };
}

async function gradeLabOf(
  record: ExamRecord,
  lab: ExamRecordLab,
  begun: Date,
  outer: RunContext,
): Promise<ExamLabReport> {
  const context = prefixedContext(outer, `${lab.name}: `);
  const { name, title, provider, weight } = lab;
  const base = { lab: name, title, provider, weight };
  try {
    const lock = lockLab(context.stateRoot, name);
    try {
      const attached = await attachExamLab(record, lab, context);
      try {
        return { ...base, ...(await gradeAttached(record, attached, begun, context)) };
      } finally {
        await attached.cluster.close();
      }
    } finally {
      lock.release();
    }
  } catch (error) {
    if (!(error instanceof LabError) || context.signal.aborted) throw error;
    // Somebody else is at work there: that passes, and the exam is graded when it has.
    if (error.code === "LAB_BUSY") throw error;
    const { code, message } = error;
    return {
      ...base,
      verdict: "inconclusive",
      score: 0,
      earned: 0,
      possible: 0,
      tasks: [],
      notGraded: { code, message },
    };
  }
}

async function gradeAttached(
  { limitMs, timing }: ExamRecord,
  { record, cluster }: AttachedLab,
  begun: Date,
  context: RunContext,
): Promise<Omit<ExamLabReport, "lab" | "title" | "provider" | "weight">> {
  const phases = new PhaseRunner(context);
  let time: TimeUse | undefined;
  // A lab that takes no changes after its deadline holds what counts, whenever that is graded.
  if (cluster.deadline !== undefined) await cluster.deadline(0);
  else time = measureTime({ limitMs, afterLimit: "nothing" }, timing, begun);
  const objects = await phases.run("settle", "let changes take effect", () => settleFirst(cluster, context));
  const grade = await gradePlacedLab({ plan: record.plan, cluster, record }, phases, { objects, time });
  stampRecord(record, context.now());
  await writeRecord(context.stateRoot, record);
  const { verdict, earned, possible, tasks, bonus } = grade;
  return {
    verdict,
    score: labScore({ weight: 1, verdict, points: { earned, possible } }),
    earned,
    possible,
    ...(bonus === undefined ? {} : { bonus: { earned: bonus.earned, possible: bonus.possible } }),
    tasks,
    ...(time === undefined ? {} : { time }),
  };
}

/** A lab that is gone needs no opening. */
async function openLab(lab: ExamRecordLab, record: ExamRecord, context: RunContext): Promise<void> {
  let attached: AttachedLab;
  try {
    attached = await attachExamLab(record, lab, context);
  } catch (error) {
    if (error instanceof LabError && (error.code === "LAB_NOT_RUNNING" || error.code === "RECORD_UNREADABLE")) return;
    throw error;
  }
  try {
    await attached.cluster.deadline?.("lift");
  } finally {
    await attached.cluster.close();
  }
}
