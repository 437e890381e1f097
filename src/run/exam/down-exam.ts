import type { RunContext } from "../context.ts";
import { downLab } from "../down-lab.ts";
import { lockExam } from "../lab-lock.ts";
import { readRecord } from "../record.ts";
import { knownExam, readExamRecord, removeExamDirectory, type ExamRecord } from "./exam-record.ts";
import { LabError } from "../../core/errors.ts";

/**
 * Removes an exam, finished or not, with its labs; a lab of the same name that was made for something else stays. Returns what was removed. Throws
 * EXAM_NOT_FOUND, USAGE_WHICH_EXAM, EXAM_BUSY, and what removing a lab throws.
 */
export async function downExam(
  argument: string | undefined,
  context: RunContext,
): Promise<{ exam: string; labs: string[] }> {
  const { stateRoot } = context;
  const exam = knownExam(stateRoot, argument);
  const lock = lockExam(stateRoot, exam);
  try {
    const removed: string[] = [];
    for (const { name } of labsOf(exam, context)) {
      if ((await downLab(name, context)).removed) removed.push(name);
    }
    removeExamDirectory(stateRoot, exam);
    return { exam, labs: removed };
  } finally {
    lock.release();
  }
}

function labsOf(exam: string, { stateRoot, emit }: RunContext): ExamRecord["labs"] {
  let record: ExamRecord | undefined;
  try {
    record = readExamRecord(stateRoot, exam);
  } catch (error) {
    if (!(error instanceof LabError) || error.code !== "EXAM_UNREADABLE") throw error;
    const hint = "the exam is removed all the same; its labs are listed by cnilab status";
    emit({ type: "warning", warning: { code: error.code, message: error.message, hint } });
  }
  return (record?.labs ?? []).filter(({ name }) => {
    const finding = readRecord(stateRoot, name);
    if (finding.kind !== "found") return false;
    const { exam: madeFor, state } = finding.record;
    // Of an exam that was killed while its labs were made, they do not know it yet.
    return madeFor?.id === record?.id || (record?.state === "starting" && state === "starting");
  });
}
