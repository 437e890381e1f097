import type { LabWarning } from "../core/errors.ts";
import type { PhaseName } from "../core/events.ts";
import type { GradeReport, Verdict } from "../grade/types.ts";

/** How long a phase took and whether it succeeded. */
export interface PhaseTime {
  phase: PhaseName;
  title: string;
  durationMs: number;
  ok: boolean;
}

/** Everything a reporter may tell about one grade: plain data, the same for all reporters. */
export interface Report {
  lab: { name: string; title: string; file: string; level?: string };
  provider: string;
  cni: { name: string; mode: string; enforcesPolicy: boolean; options?: Readonly<Record<string, unknown>> };
  nodes: number;
  /** `grade` counts points and tasks; `probe` only says what each probe saw against what it should. */
  mode: "grade" | "probe";
  /** What is modelled rather than real, one sentence each. */
  notes: string[];
  warnings: LabWarning[];
  grade: GradeReport;
  phases: PhaseTime[];
  /** ISO 8601. */
  startedAt: string;
  durationMs: number;
}

/** How a report is drawn; JSON, YAML and JUnit ignore it. */
export interface ReportOptions {
  colour: boolean;
  /** Columns of the terminal. */
  width: number;
}

/** Turns a report into text that ends with a line feed. */
export type Reporter = (report: Report, options: ReportOptions) => string;

/** The word for a verdict that people read. */
export const verdictWords: Record<Verdict, string> = { pass: "passed", fail: "failed", inconclusive: "inconclusive" };
