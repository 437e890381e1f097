import type { JudgedCell, Verdict } from "./types.ts";

/** What a list of judged cells comes to. */
export interface Tally {
  cells: number;
  fail: number;
  inconclusive: number;
  /** Cells that the untouched lab passed, and those of them that do not pass. */
  guards: number;
  brokenGuards: number;
  /** Cells that the untouched lab did not pass, but for those of new ends; those that pass; of these, those that it is known to have failed. */
  goals: number;
  passedGoals: number;
  solvedGoals: number;
}

/** Lists of judged cells are made once and not changed. */
const known = new WeakMap<readonly JudgedCell[], Tally>();

export function tallyOf(cells: readonly JudgedCell[]): Tally {
  let tally = known.get(cells);
  if (tally === undefined) {
    tally = {
      cells: 0,
      fail: 0,
      inconclusive: 0,
      guards: 0,
      brokenGuards: 0,
      goals: 0,
      passedGoals: 0,
      solvedGoals: 0,
    };
    for (const cell of cells) count(tally, cell, 1);
    known.set(cells, tally);
  }
  return tally;
}

/** Works out the tally of a list that differs from an earlier one, as long as it, at these places. */
export function tallyPatched(
  before: readonly JudgedCell[],
  after: readonly JudgedCell[],
  places: readonly number[],
): void {
  const tally = { ...tallyOf(before) };
  for (const place of places) {
    count(tally, before[place] as JudgedCell, -1);
    count(tally, after[place] as JudgedCell, 1);
  }
  known.set(after, tally);
}

/** Fail if any failed, else inconclusive if any is or there are none, else pass: nothing seen is never a pass. */
export function verdictOf({ cells, fail, inconclusive }: Tally): Verdict {
  if (fail > 0) return "fail";
  return cells === 0 || inconclusive > 0 ? "inconclusive" : "pass";
}

function count(tally: Tally, { verdict, passedBefore, isNew }: JudgedCell, by: 1 | -1): void {
  tally.cells += by;
  if (verdict !== "pass") tally[verdict] += by;
  if (passedBefore === true) {
    tally.guards += by;
    if (verdict !== "pass") tally.brokenGuards += by;
  } else if (isNew !== true) {
    tally.goals += by;
    if (verdict !== "pass") return;
    tally.passedGoals += by;
    if (passedBefore === false) tally.solvedGoals += by;
  }
}
