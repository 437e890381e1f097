import type { StableName } from "./baseline.ts";
import { feedbackOf } from "./feedback.ts";
import type { JudgedCell, JudgedProbe, JudgedTask } from "./types.ts";
import { tallyOf } from "./tally.ts";
import { combineVerdicts } from "./verdict.ts";

/** A task as the grade needs it; `probes` are names. */
export interface TaskToJudge {
  name: string;
  text: string;
  isBonus?: true;
  probes: readonly string[];
  /** Absent where it has none; `cost`: points of those that were taken. */
  hints?: { taken: number; of: number; cost: number };
}

/** Names of the probes that only bonus tasks name; one that a required task names, too, is required. */
export function bonusProbes(tasks: readonly Pick<TaskToJudge, "isBonus" | "probes">[]): Set<string> {
  const required = new Set(tasks.filter(({ isBonus }) => isBonus !== true).flatMap(({ probes }) => probes));
  return new Set(tasks.flatMap(({ probes }) => probes).filter((name) => !required.has(name)));
}

/** Points of a probe that a task names and the lab gives none. */
const DEFAULT_TASK_POINTS = 1;

/**
 * Fills in what the probe is worth and what it earned. Its points are spread evenly over its goal cells, those that the
 * untouched lab failed; guards and cells of new ends are worth nothing. Where the lab has tasks, a cell without a baseline can earn nothing:
 * nobody can tell whether anything was done for it. Where it has none, nothing was to be done and every cell is a goal.
 * A required probe is void when all required tasks that name it are, whatever bonus tasks do.
 */
export function scoreProbe(
  probe: JudgedProbe,
  all: readonly JudgedProbe[],
  tasks: readonly TaskToJudge[],
): JudgedProbe {
  const own = tasks.filter((task) => task.probes.includes(probe.name) && task.isBonus === probe.isBonus);
  const points = probe.points ?? (own.length > 0 ? DEFAULT_TASK_POINTS : 0);
  const { goals, passedGoals, solvedGoals } = tallyOf(probe.cells);
  const possible = goals === 0 ? 0 : points;
  const isVoid = hasBrokenGuard(probe) || (own.length > 0 && own.every((task) => brokenGuards(task, all).length > 0));
  const passed = tasks.length === 0 ? passedGoals : solvedGoals;
  return { ...probe, possible, earned: isVoid ? 0 : share(possible, passed, goals) };
}

/** Judges a task from its scored probes; one that names a probe without a result is inconclusive at best. */
export function judgeTask(
  task: TaskToJudge,
  scored: readonly JudgedProbe[],
  nameOf: StableName = (end) => end,
): JudgedTask {
  const probes = scored.filter(({ name }) => task.probes.includes(name));
  const isComplete = task.probes.every((name) => probes.some((probe) => probe.name === name));
  const voidedBy = brokenGuards(task, scored);
  const feedback = feedbackOf(task.probes, scored, nameOf);
  const counted = probes.filter(({ isBonus }) => isBonus === task.isBonus);
  const points = (pick: (probe: JudgedProbe) => number): number => sum(counted.map(pick));
  const earned = voidedBy.length > 0 ? 0 : points((probe) => probe.earned);
  // A hint takes off what was earned and no more.
  const hints = task.hints === undefined ? undefined : { ...task.hints, cost: Math.min(task.hints.cost, earned) };
  return {
    name: task.name,
    text: task.text,
    ...(task.isBonus === undefined ? {} : { isBonus: task.isBonus }),
    verdict: combineVerdicts([
      ...probes.map(({ verdict }) => verdict),
      ...(isComplete ? [] : ["inconclusive" as const]),
    ]),
    earned: sum([earned, -(hints?.cost ?? 0)]),
    possible: points(({ possible }) => possible),
    probes: [...task.probes],
    voidedBy,
    ...(hints === undefined ? {} : { hints }),
    ...(feedback === undefined ? {} : { feedback }),
  };
}

/** Points have at most two decimals; without rounding 0.1 + 0.2 would show as 0.30000000000000004. */
export function sum(points: readonly number[]): number {
  return Math.round(points.reduce((total, each) => total + each, 0) * 100) / 100;
}

function brokenGuards(task: TaskToJudge, all: readonly JudgedProbe[]): string[] {
  return all.filter((probe) => task.probes.includes(probe.name) && hasBrokenGuard(probe)).map(({ name }) => name);
}

/** An inconclusive guard voids as a failed one does: else breaking the probe's source would hide what was broken. */
function hasBrokenGuard({ cells }: { cells: readonly JudgedCell[] }): boolean {
  return tallyOf(cells).brokenGuards > 0;
}

/** Rounded down to hundredths, so that only all cells give all points. */
function share(points: number, passed: number, goals: number): number {
  return passed === goals ? points : Math.floor((points * passed * 100) / goals + 1e-9) / 100;
}
