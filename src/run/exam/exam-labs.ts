import { LabError } from "../../core/errors.ts";
import { attachLab, type AttachedLab } from "../attach-lab.ts";
import type { RunContext } from "../context.ts";
import { readExamRecord, type ExamRecord, type ExamRecordLab } from "./exam-record.ts";

/** The record of an exam whose time runs, or ran. Throws EXAM_NOT_FOUND, EXAM_NOT_STARTED. */
export function startedExam(name: string, { stateRoot }: Pick<RunContext, "stateRoot">): ExamRecord {
  const record = readExamRecord(stateRoot, name);
  if (record !== undefined && record.timing !== undefined) return record;
  throw new LabError("EXAM_NOT_STARTED", `the exam ${name} was ended while its labs were made`, {
    hint: `cnilab exam down ${name} removes what is left`,
  });
}

/** The lab, if it is still the exam's own and no other one that has its name. Throws LAB_NOT_RUNNING. */
export async function attachExamLab(
  { id, name: exam }: ExamRecord,
  { name }: ExamRecordLab,
  context: RunContext,
): Promise<AttachedLab> {
  const attached = await attachLab(name, context);
  if (attached.record.exam?.id === id) return attached;
  await attached.cluster.close();
  throw new LabError("LAB_NOT_RUNNING", `the lab ${name} of the exam ${exam} was removed, and another one made`);
}
