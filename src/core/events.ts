import type { LabWarning } from "./errors.ts";

/** Phases of a run, in their order. */
export type PhaseName =
  | "load"
  | "plan"
  | "provision"
  | "cni"
  | "scenario"
  | "baseline"
  | "solution"
  | "settle"
  | "probe"
  | "grade"
  | "down";

/** What happens during a run, told to whoever draws progress. Events carry plain data. */
export type RunEvent =
  | { type: "phase-started"; phase: PhaseName; title: string }
  | { type: "phase-ended"; phase: PhaseName; title: string; durationMs: number; ok: boolean }
  | { type: "progress"; phase: PhaseName; message: string; done?: number; total?: number }
  | { type: "warning"; warning: LabWarning };

export type EventSink = (event: RunEvent) => void;
