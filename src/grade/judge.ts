import { combineVerdicts, type CompareFigures, judgeCell } from "./verdict.ts";
import { judgeTask, scoreProbe, type TaskToJudge } from "./points.ts";
import type { GradeReport, JudgedProbe, ProbeResult, Verdict } from "./types.ts";

/** What a grade is made from besides the probes' results. */
export interface GradeInput {
  /** With expectations resolved, controls and baseline attached, in the lab's order. */
  probes: readonly ProbeResult[];
  tasks: readonly TaskToJudge[];
  compareFigures: CompareFigures;
}

/** Judges every cell, probe and task by the contract in docs/grading.md. */
export function gradeProbes({ probes, tasks, compareFigures }: GradeInput): GradeReport {
  const judged = probes.map((probe) => judgeProbe(probe, compareFigures));
  const scored = judged.map((probe) => scoreProbe(probe, judged, tasks));
  const count = (verdict: Verdict): number => scored.filter((probe) => probe.verdict === verdict).length;
  return {
    // A task can be worse than its probes: it may name one that has no result.
    verdict: combineVerdicts([
      ...scored.map(({ verdict }) => verdict),
      ...tasks.map((task) => judgeTask(task, scored).verdict),
    ]),
    probes: scored,
    tasks: tasks.map((task) => judgeTask(task, scored)),
    earned: sum(scored.map(({ earned }) => earned)),
    possible: sum(scored.map(({ possible }) => possible)),
    counts: { pass: count("pass"), fail: count("fail"), inconclusive: count("inconclusive") },
  };
}

function judgeProbe(probe: ProbeResult, compareFigures: CompareFigures): JudgedProbe {
  const { kind, notEnforceable, phase, recovery } = probe;
  const context = { kind, notEnforceable, phase, recovery, compareFigures };
  const graded = probe.cells.filter((cell) => cell.ungraded === undefined);
  const ungraded = probe.cells.filter((cell) => cell.ungraded !== undefined);
  const cells = graded.map((cell) => ({ ...cell, ...judgeCell(cell, context) }));
  const isGuard = cells.length > 0 && cells.every(({ passedBefore }) => passedBefore === true);
  return {
    ...probe,
    cells,
    ...(ungraded.length === 0 ? {} : { ungraded }),
    verdict: combineVerdicts(cells.map(({ verdict }) => verdict)),
    role: isGuard ? "guard" : "goal",
    earned: 0,
    possible: 0,
  };
}

/** Points have at most two decimals; without rounding 0.1 + 0.2 would show as 0.30000000000000004. */
function sum(points: readonly number[]): number {
  return Math.round(points.reduce((total, each) => total + each, 0) * 100) / 100;
}
