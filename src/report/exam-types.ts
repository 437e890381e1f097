import type { JudgedTask, TimeUse, Verdict } from "../grade/types.ts";

/** One lab of a graded exam. */
export interface ExamLabReport {
  lab: string;
  title: string;
  provider: string;
  weight: number;
  verdict: Verdict;
  /** Per cent of its own points. */
  score: number;
  earned: number;
  possible: number;
  /** Beside the score. */
  bonus?: { earned: number; possible: number };
  tasks: JudgedTask[];
  /** Where its time was not kept by the lab itself. */
  time?: TimeUse;
  /** Why it could not be graded. */
  notGraded?: { code: string; message: string };
}

/** A graded exam: plain data, the same for all formats. */
export interface ExamReport {
  apiVersion: "cnilab.dev/v1alpha1";
  kind: "ExamReport";
  name: string;
  title: string;
  verdict: Verdict;
  /** Per cent, weighted. */
  score: number;
  passMark: number;
  limitMs: number;
  /** Milliseconds from the start to the end of the exam, at most `limitMs` where labs keep the time. */
  usedMs?: number;
  /** ISO 8601. */
  startedAt: string;
  finishedAt: string;
  labs: ExamLabReport[];
}
