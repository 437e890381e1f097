import { extended } from "../core/extended.ts";
import { combineVerdicts, type CompareFigures, judgeCell } from "./verdict.ts";
import type { StableName } from "./baseline.ts";
import { judgeList, type LastJudged } from "./last-judged.ts";
import { judgeTask, scoreProbe, sum, type TaskToJudge } from "./points.ts";
import { tallyOf, verdictOf } from "./tally.ts";
import type {
  Cell,
  GradeReport,
  JudgedCell,
  JudgedProbe,
  JudgedTask,
  ProbeResult,
  Verdict,
  VerdictCounts,
} from "./types.ts";

/** What a grade is made from besides the probes' results. */
export interface GradeInput {
  /** With expectations resolved, controls and baseline attached, in the lab's order. */
  probes: readonly ProbeResult[];
  tasks: readonly TaskToJudge[];
  compareFigures: CompareFigures;
  /** What feedback calls the end of a cell; default: as the cell does. */
  nameOf?: StableName;
  /** Keeps the very cells of last time where they are judged from the same. */
  last?: LastJudged | undefined;
}

/** Judges every cell, probe and task by the contract in docs/grading.md. */
export function gradeProbes({ probes, tasks, compareFigures, nameOf, last }: GradeInput): GradeReport {
  const judged = probes.map((probe) => judgeProbe(probe, compareFigures, last));
  const scored = judged.map((probe) => scoreProbe(probe, judged, tasks));
  const judgedTasks = tasks.map((task) => judgeTask(task, scored, nameOf));
  const required = scored.filter(({ isBonus }) => isBonus !== true);
  const requiredTasks = judgedTasks.filter(({ isBonus }) => isBonus !== true);
  const bonus = scored.filter(({ isBonus }) => isBonus === true);
  const bonusTasks = judgedTasks.filter(({ isBonus }) => isBonus === true);
  return {
    // A task can be worse than its probes: it may name one that has no result.
    verdict: combineVerdicts([...required, ...requiredTasks].map(({ verdict }) => verdict)),
    probes: scored,
    tasks: judgedTasks,
    ...totals(required, requiredTasks),
    ...(bonusTasks.length === 0 ? {} : { bonus: totals(bonus, bonusTasks) }),
  };
}

/** A probe that several tasks name counts once; the hints of each of them cost. */
function totals(
  probes: readonly JudgedProbe[],
  tasks: readonly JudgedTask[],
): { earned: number; possible: number; counts: VerdictCounts } {
  const count = (verdict: Verdict): number => probes.filter((probe) => probe.verdict === verdict).length;
  return {
    earned: Math.max(0, sum([...probes.map(({ earned }) => earned), ...tasks.map(({ hints }) => -(hints?.cost ?? 0))])),
    possible: sum(probes.map(({ possible }) => possible)),
    counts: { pass: count("pass"), fail: count("fail"), inconclusive: count("inconclusive") },
  };
}

function judgeProbe(probe: ProbeResult, compareFigures: CompareFigures, last: LastJudged | undefined): JudgedProbe {
  const { name, kind, notEnforceable, phase, recovery } = probe;
  const context = { kind, notEnforceable, phase, recovery, compareFigures };
  const judge = (cell: Cell): JudgedCell => extended(cell, judgeCell(cell, context));
  const given = JSON.stringify([kind, notEnforceable, phase, recovery]);
  const { cells, ungraded } = last?.judge(name, given, probe.cells, judge) ?? judgeList(probe.cells, judge);
  const tally = tallyOf(cells);
  const isGuard = tally.cells > 0 && tally.guards === tally.cells;
  return {
    ...probe,
    cells,
    ...(ungraded.length === 0 ? {} : { ungraded }),
    verdict: verdictOf(tally),
    role: isGuard ? "guard" : "goal",
    earned: 0,
    possible: 0,
  };
}
