import { LabError } from "../../core/errors.ts";
import type { Verdict } from "../../grade/types.ts";
import type { RunContext } from "../context.ts";
import { isLabUp } from "../leftovers.ts";
import { readRecord } from "../record.ts";
import { timeOfExam, type ExamTime } from "./exam-time.ts";
import {
  knownExam,
  listExams,
  readExamRecord,
  writeExamRecord,
  type ExamRecord,
  type ExamRecordLab,
} from "./exam-record.ts";

/** How an exam stands; nothing of what is right or wrong in it before it is finished. */
export interface ExamStatus extends Pick<ExamRecord, "name" | "title" | "state" | "limitMs" | "passMark"> {
  /** While its time runs, or after its end. */
  time?: ExamTime;
  labs: (ExamRecordLab & { isUp: boolean })[];
  /** Of a finished one. */
  result?: { verdict: Verdict; score: number };
}

/** Every exam there is, or the one that is named. Throws EXAM_NOT_FOUND, EXAM_UNREADABLE. */
export async function examStatuses(name: string | undefined, context: RunContext): Promise<ExamStatus[]> {
  const { stateRoot } = context;
  const names = name === undefined ? listExams(stateRoot) : [knownExam(stateRoot, name)];
  const found = await Promise.all(names.map((each) => statusOf(each, context)));
  return found.flatMap((status) => (status === undefined ? [] : [status]));
}

/** Undefined where the exam is just being removed. */
async function statusOf(exam: string, context: RunContext): Promise<ExamStatus | undefined> {
  const record = readExamRecord(context.stateRoot, exam);
  if (record === undefined) return undefined;
  const { name, title, state, limitMs, passMark, report } = record;
  const labs = await Promise.all(record.labs.map(async (lab) => ({ ...lab, isUp: await isUp(record, lab, context) })));
  const time = state === "running" ? { time: await timeOfExam(record, context) } : {};
  // Notes the time that was seen: a clock that is set back later shows.
  if (state === "running") await writeExamRecord(context.stateRoot, record, context.now());
  const result = report === undefined ? {} : { result: { verdict: report.verdict, score: report.score } };
  return { name, title, state, limitMs, passMark, labs, ...time, ...result };
}

async function isUp({ id }: ExamRecord, { name }: ExamRecordLab, { stateRoot }: RunContext): Promise<boolean> {
  const finding = readRecord(stateRoot, name);
  if (finding.kind !== "found" || finding.record.exam?.id !== id) return false;
  try {
    return await isLabUp(stateRoot, name, finding);
  } catch (error) {
    // Whether a lab on machines is there cannot be asked now.
    if (error instanceof LabError) return false;
    throw error;
  }
}
