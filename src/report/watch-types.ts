import type { LabError, LabProblems, LabWarning } from "../core/errors.ts";
import type { CellKey, GradeReport, Observation, Verdict } from "../grade/types.ts";
import type { Report } from "./types.ts";

/** What was seen of a cell, and what that is worth. */
export interface WatchedSide {
  /** Absent where it was not probed. */
  observed?: Observation["outcome"];
  verdict: Verdict;
}

/** A graded cell that is not as it was. */
export interface ChangedCell {
  probe: string;
  key: CellKey;
  /** Absent of a cell that is new. */
  before?: WatchedSide;
  /** Absent of a cell that is gone. */
  now?: WatchedSide;
}

/** One regrade. */
export interface RegradeEvent {
  type: "regrade";
  /** ISO 8601. */
  at: string;
  grade: GradeReport;
  /** What changed in the cluster: "NetworkPolicy shop/db changed". */
  because: string[];
  /** Why everything was probed, a phrase each; empty where only what changes touch was. */
  whole: string[];
  /** Cells that were probed now, controls included, and all that there are. */
  probed: number;
  cells: number;
  changed: ChangedCell[];
  /** Changes made there are seen when these end: "a terminal in shop/web". */
  ongoing: string[];
  /** From when the change was noticed. */
  durationMs: number;
}

/** What happens while a lab is watched, in its order. */
export type WatchEvent =
  | RegradeEvent
  /** A change is taking effect: what was seen before may not hold any more. */
  | { type: "changing" }
  /** `changes`: one line an object. */
  | { type: "applied"; files: string[]; changes: string[] }
  /** What was wrong with a manifest or with applying it; the lab stays as it was. */
  | { type: "problem"; error: LabError | LabProblems }
  | { type: "warning"; warning: LabWarning }
  | { type: "grading" }
  /** A full grade, as `cnilab grade` makes it. */
  | { type: "graded"; report: Report }
  | { type: "ended"; reason: "lab" | "passed" | "asked" };

/** What does not change while a lab is watched. */
export interface WatchedLab {
  lab: Report["lab"];
  provider: string;
  cni: Report["cni"];
  nodes: number;
  files: string[];
  /** Probes that only a full grade runs: they take long, or make a fault. */
  unwatched: string[];
}
