import { randomUUID } from "node:crypto";
import pLimit from "p-limit";
import { LabError } from "../../core/errors.ts";
import { bringUpPlan } from "../bring-up.ts";
import type { RunContext } from "../context.ts";
import { lockExam } from "../lab-lock.ts";
import { isLabUp } from "../leftovers.ts";
import { PhaseRunner, withUndo } from "../phases.ts";
import { prefixedContext } from "../prefixed-context.ts";
import { keep, type Provisioned } from "../provision.ts";
import { readRecord } from "../record.ts";
import { UndoStack } from "../undo.ts";
import { writeExamKubeconfig } from "./exam-kubeconfig.ts";
import {
  examRecordVersion,
  readExamRecord,
  removeExamDirectory,
  writeExamRecord,
  type ExamRecord,
  type ExamRecordLab,
} from "./exam-record.ts";
import { planExam, readExam, type ExamRequest, type PlannedExamLab } from "./read-exam.ts";

export interface StartRequest extends ExamRequest {
  /** Labs that are made at once. */
  parallel: number;
}

/** An exam whose time runs. */
export interface StartedExam extends Pick<ExamRecord, "name" | "title" | "limitMs" | "passMark" | "labs"> {
  /** File with a context for every lab; absent where all are on clusters of the user's. */
  kubeconfig?: string;
  /** Labs whose clusters take changes after the deadline: only a grade that begins in time counts there. */
  unsealed: string[];
}

/**
 * Makes every lab of an exam, and starts its time when all are up. Where one fails, or the user interrupts, nothing is left of any. Throws everything
 * that is wrong with the exam and its labs, EXAM_RUNNING, EXAM_BUSY, LAB_ALREADY_UP, and what making a lab throws.
 */
export async function startExam(request: StartRequest, context: RunContext): Promise<StartedExam> {
  const exam = await readExam(request);
  const planned = await planExam(exam, request.provider, context);
  const { stateRoot } = context;
  const lock = lockExam(stateRoot, exam.name);
  try {
    await refuseEarlier(exam.name, context);
    const { name, title, limitMs, passMark } = exam;
    const labs = planned.map(recordLab);
    const record: ExamRecord = {
      schemaVersion: examRecordVersion,
      name,
      title,
      id: randomUUID(),
      state: "starting",
      limitMs,
      passMark,
      labs,
    };
    return await withUndo(context, async (undo) => {
      undo.register({
        title: `remove exam ${name}`,
        run: () => Promise.resolve(removeExamDirectory(stateRoot, name)),
      });
      await writeExamRecord(stateRoot, record, context.now());
      const made = await makeLabs(planned, request.parallel, undo, context);
      // The time runs from here, for all of them; they outlive this process only with it running.
      const startedAt = context.now();
      for (const lab of made) {
        await lab.cluster.deadline?.(limitMs);
        lab.record.exam = { name, id: record.id };
      }
      const unsealed = made.filter(({ cluster }) => cluster.deadline === undefined).map(({ plan }) => plan.lab.name);
      for (const lab of made) await keep(lab, context);
      const kubeconfig = await writeExamKubeconfig(stateRoot, name, labs);
      record.state = "running";
      record.timing = { startedAt: startedAt.toISOString(), latestAt: startedAt.toISOString() };
      await writeExamRecord(stateRoot, record, context.now());
      return { name, title, limitMs, passMark, labs, unsealed, ...(kubeconfig === undefined ? {} : { kubeconfig }) };
    });
  } finally {
    lock.release();
  }
}

/** What an exam of this name left may be overwritten where none of its labs is there any more. */
async function refuseEarlier(name: string, { stateRoot }: RunContext): Promise<void> {
  const earlier = readExamRecord(stateRoot, name);
  if (earlier === undefined) return;
  for (const lab of earlier.labs) {
    const finding = readRecord(stateRoot, lab.name);
    if (finding.kind !== "found" || finding.record.exam?.id !== earlier.id) continue;
    if (!(await isLabUp(stateRoot, lab.name, finding))) continue;
    throw new LabError("EXAM_RUNNING", `the exam ${name} is there already, with its lab ${lab.name}`, {
      hint: `cnilab exam status ${name} shows it, cnilab exam down ${name} removes it and its labs`,
    });
  }
}

function recordLab({ entry, plan }: PlannedExamLab): ExamRecordLab {
  const { lab, provider, tasks, access } = plan;
  const context = access === undefined ? lab.name : access.context;
  return {
    name: lab.name,
    title: lab.title,
    provider,
    weight: entry.weight,
    ...(context === undefined ? {} : { context }),
    tasks: tasks.map(({ name, text, isBonus }) => ({ name, text, ...(isBonus === true ? { isBonus } : {}) })),
  };
}

/** All of them or none: the first failure ends the making of the others. Each registers its undo. */
async function makeLabs(
  planned: readonly PlannedExamLab[],
  parallel: number,
  undo: UndoStack,
  outer: RunContext,
): Promise<Provisioned[]> {
  const failed = new AbortController();
  const signal = AbortSignal.any([outer.signal, failed.signal]);
  const limit = pLimit(parallel);
  const ended = await Promise.allSettled(
    planned.map(({ plan }) =>
      limit(async () => {
        signal.throwIfAborted();
        const own = new UndoStack();
        undo.register({ title: `remove lab ${plan.lab.name}`, run: () => own.unwind() });
        const phases = new PhaseRunner({ ...prefixedContext(outer, `${plan.lab.name}: `), signal });
        try {
          return await bringUpPlan(plan, { needsBaseline: true }, phases, own);
        } catch (error) {
          failed.abort(error);
          throw error;
        }
      }),
    ),
  );
  signal.throwIfAborted();
  return ended.map((end) => {
    if (end.status === "rejected") throw end.reason;
    return end.value;
  });
}
