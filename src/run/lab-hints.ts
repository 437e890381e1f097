import { LabError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import type { PlannedTask } from "../plan/types.ts";
import { runningRecord } from "./attach-lab.ts";
import type { RunContext } from "./context.ts";
import { refuseInExam } from "./exam/refuse-in-exam.ts";
import { findKnownLab } from "./find-lab.ts";
import { lockLab } from "./lab-lock.ts";
import { stampRecord, writeRecord, type RunRecord } from "./record.ts";

export interface HintRequest {
  lab: string;
  /** By its name; absent: the only task that has hints. */
  task?: string | undefined;
  /** Show those that were taken, and take none. */
  isListOnly: boolean;
}

/** How far a learner has got with the hints of a task. Costs are points. */
export interface TaskHints {
  task: string;
  isBonus?: true;
  /** `at`: ISO 8601. */
  taken: { text: string; cost: number; at: string }[];
  left: number;
  /** Of the next one; absent where none is left. */
  nextCost?: number;
  /** Of all that were taken. */
  cost: number;
}

export interface HintOutcome {
  lab: string;
  /** The task whose next hint was taken now, and which one that was, from 1; absent where none was. */
  shown?: { task: string; number: number };
  /** Of the tasks that have hints, or of the one that was named. */
  tasks: TaskHints[];
}

/**
 * Takes the next hint of a task of a running lab, which its record keeps and the next grade counts. Throws LAB_NOT_RUNNING,
 * LAB_BUSY, RECORD_UNREADABLE, USAGE_NO_HINTS, USAGE_UNKNOWN_TASK, USAGE_WHICH_TASK.
 */
export async function labHints(
  { lab: argument, task, isListOnly }: HintRequest,
  context: RunContext,
): Promise<HintOutcome> {
  const { stateRoot } = context;
  const name = findKnownLab(stateRoot, argument);
  const lock = lockLab(stateRoot, name);
  try {
    const record = await runningRecord(name, context);
    refuseInExam(record, "hint", context);
    const outcome = nextHint(record, { task, isListOnly }, context.now());
    // Before it is shown: who interrupts the command has not got it for nothing.
    if (outcome.shown !== undefined) await writeRecord(stateRoot, record);
    return outcome;
  } finally {
    lock.release();
  }
}

/** What {@link labHints} finds in a record; a hint that is taken is noted in it. */
export function nextHint(
  record: RunRecord,
  { task, isListOnly }: Pick<HintRequest, "task" | "isListOnly">,
  now: Date,
): HintOutcome {
  const { lab } = record;
  const tasks = tasksAskedFor(record, task, isListOnly);
  const [only] = tasks;
  const known = tasks.map((each) => hintsOf(each, record));
  if (isListOnly || only === undefined || known[0]?.left === 0) return { lab, tasks: known };
  record.hintsTaken = [...(record.hintsTaken ?? []), { task: only.name, at: now.toISOString() }];
  stampRecord(record, now);
  const after = hintsOf(only, record);
  return { lab, shown: { task: only.name, number: after.taken.length }, tasks: [after] };
}

function tasksAskedFor({ lab, plan }: RunRecord, name: string | undefined, isListOnly: boolean): PlannedTask[] {
  const withHints = plan.tasks.filter(({ hints = [] }) => hints.length > 0);
  const names = withHints.map((task) => task.name);
  const named = plan.tasks.find((task) => task.name === name);
  if (name !== undefined && named === undefined) {
    throw new LabError("USAGE_UNKNOWN_TASK", `lab ${lab} has no task ${JSON.stringify(name)}`, {
      hint: didYouMean(
        name,
        plan.tasks.map((task) => task.name),
      ),
    });
  }
  const chosen = named === undefined ? withHints : withHints.filter((task) => task === named);
  if (chosen.length === 0) {
    const whose = named === undefined ? `lab ${lab} has no hints` : `the task ${named.name} has no hints`;
    const others =
      names.length === 0 ? "cnilab grade tells of each task what is wrong" : `these have: ${names.join(", ")}`;
    throw new LabError("USAGE_NO_HINTS", whose, { hint: others });
  }
  if (chosen.length > 1 && !isListOnly) {
    throw new LabError("USAGE_WHICH_TASK", `several tasks of lab ${lab} have hints`, {
      hint: `name one: ${names.join(", ")}; --list shows what each has cost`,
    });
  }
  return chosen;
}

function hintsOf({ name, isBonus, hints = [] }: PlannedTask, { hintsTaken = [] }: RunRecord): TaskHints {
  const taken = hintsTaken.filter(({ task }) => task === name).slice(0, hints.length);
  const shown = taken.map(({ at }, index) => ({ text: hints[index]?.text ?? "", cost: hints[index]?.cost ?? 0, at }));
  const next = hints[taken.length];
  return {
    task: name,
    ...(isBonus === true ? { isBonus } : {}),
    taken: shown,
    left: hints.length - taken.length,
    ...(next === undefined ? {} : { nextCost: next.cost }),
    cost: shown.reduce((sum, { cost }) => sum + cost, 0),
  };
}
