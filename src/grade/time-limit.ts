import type { GradeReport, TimeLimit, TimeUse } from "./types.ts";
import { combineVerdicts } from "./verdict.ts";

/** What a run record knows of a lab's time; both ISO 8601. */
export interface LabTiming {
  /** When `up` or `reset` was done. */
  startedAt: string;
  /** The latest time that any command has seen in this lab's life: it never goes back. */
  latestAt: string;
}

/**
 * What of the limit is used. Monotonic clocks do not outlive a process, so this is the wall clock's difference; where that clock shows a
 * time before one that it has shown already, it was set back, and nobody can tell by how much.
 */
export function measureTime(limit: TimeLimit, timing: LabTiming | undefined, now: Date): TimeUse {
  if (timing === undefined) return { ...limit, unknown: "the run record does not say when the lab was up" };
  const { startedAt, latestAt } = timing;
  const latest = Math.max(Date.parse(startedAt), Date.parse(latestAt));
  if (now.getTime() < latest) {
    const [is, was] = [now.toISOString(), new Date(latest).toISOString()];
    return { ...limit, startedAt, unknown: `the clock went backwards: it shows ${is} and has shown ${was}` };
  }
  const usedMs = now.getTime() - Date.parse(startedAt);
  const leftMs = limit.limitMs - usedMs;
  return { ...limit, startedAt, usedMs, ...(leftMs >= 0 ? { leftMs } : { lateMs: -leftMs }) };
}

/**
 * The grade under a time limit. What was seen stays as it was judged. Where only work within the limit counts, a late grade fails and earns
 * nothing, and one whose time cannot be told earns nothing and is inconclusive at best.
 */
export function applyTimeLimit(grade: GradeReport, time: TimeUse): GradeReport {
  const isInTime = time.leftMs !== undefined;
  if (isInTime || time.afterLimit === "points") return { ...grade, time };
  const { earned, bonus } = grade;
  return {
    ...grade,
    verdict: time.lateMs === undefined ? combineVerdicts([grade.verdict, "inconclusive"]) : "fail",
    probes: grade.probes.map((probe) => ({ ...probe, earned: 0 })),
    tasks: grade.tasks.map((task) => ({ ...task, earned: 0 })),
    earned: 0,
    ...(bonus === undefined ? {} : { bonus: { ...bonus, earned: 0 } }),
    time: { ...time, withheld: { earned, ...(bonus === undefined ? {} : { bonus: bonus.earned }) } },
  };
}
