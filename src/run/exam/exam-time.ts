import { LabError } from "../../core/errors.ts";
import { measureTime } from "../../grade/time-limit.ts";
import type { RunContext } from "../context.ts";
import { attachExamLab } from "./exam-labs.ts";
import type { ExamRecord } from "./exam-record.ts";

/** What of an exam's time is used and left, in milliseconds; `unknown`, one line, where that cannot be told. */
export interface ExamTime {
  usedMs?: number;
  leftMs?: number;
  unknown?: string;
}

/** By the clock of the first lab that keeps the time itself, which nobody sets; else by the host's, as a lab's time limit is. */
export async function timeOfExam(record: ExamRecord, context: RunContext): Promise<ExamTime> {
  const { limitMs, timing } = record;
  for (const lab of record.labs) {
    const leftMs = await leftOf(record, lab, context);
    if (leftMs !== undefined) return { leftMs, usedMs: limitMs - leftMs };
  }
  const { usedMs, leftMs = 0, unknown } = measureTime({ limitMs, afterLimit: "nothing" }, timing, context.now());
  return unknown === undefined ? { leftMs, usedMs: usedMs ?? 0 } : { unknown };
}

async function leftOf(
  record: ExamRecord,
  lab: ExamRecord["labs"][number],
  context: RunContext,
): Promise<number | undefined> {
  try {
    const { cluster } = await attachExamLab(record, lab, context);
    try {
      return (await cluster.deadline?.())?.leftMs;
    } finally {
      await cluster.close();
    }
  } catch (error) {
    // Another lab may know, or the record does.
    if (error instanceof LabError) return undefined;
    throw error;
  }
}
