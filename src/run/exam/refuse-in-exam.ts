import { LabError } from "../../core/errors.ts";
import type { RunContext } from "../context.ts";
import type { RunRecord } from "../record.ts";
import { readExamRecord } from "./exam-record.ts";

/** Throws EXAM_RUNNING for a lab of an exam that is not finished: what tells of right and wrong, or undoes the lab, has to wait. */
export function refuseInExam(
  { lab, exam }: Pick<RunRecord, "lab" | "exam">,
  verb: string,
  { stateRoot }: RunContext,
): void {
  if (exam === undefined) return;
  const record = readExamRecord(stateRoot, exam.name);
  if (record?.id !== exam.id || record.state === "finished") return;
  throw new LabError("EXAM_RUNNING", `cnilab ${verb} is closed: lab ${lab} is part of the exam ${exam.name}`, {
    hint: `cnilab exam finish ${exam.name} ends the exam and grades it`,
  });
}
