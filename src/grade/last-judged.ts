import { changedPlaces } from "./last-cells.ts";
import { tallyPatched } from "./tally.ts";
import type { Cell, JudgedCell } from "./types.ts";

/** A probe's cells, those that take part in the grade apart from the others. */
export interface JudgedList {
  cells: JudgedCell[];
  ungraded: Cell[];
}

interface Kept {
  given: string;
  inputs: readonly Cell[];
  /** Where each input is: in `cells`, or, counted from -1 down, in `ungraded`. */
  places: Int32Array;
  list: JudgedList;
}

/** Judges a probe's cells: those with a reason not to take part are passed on. */
export function judgeList(inputs: readonly Cell[], judge: (cell: Cell) => JudgedCell): JudgedList {
  const list: JudgedList = { cells: [], ungraded: [] };
  for (const cell of inputs) {
    if (cell.ungraded === undefined) list.cells.push(judge(cell));
    else list.ungraded.push(cell);
  }
  return list;
}

/** What the cells of each probe were judged to be last time: the very objects are kept where they are judged from the same. */
export class LastJudged {
  private readonly last = new Map<string, Kept>();

  /**
   * As {@link judgeList}. `given` says what else than the cells counts. Cells that expect figures are judged each time: what figures are
   * compared with is no matter of the cell.
   */
  judge(probe: string, given: string, inputs: readonly Cell[], judge: (cell: Cell) => JudgedCell): JudgedList {
    const last = this.last.get(probe);
    const again = last?.given === given ? patched(last, inputs, judge) : undefined;
    if (again !== undefined) this.last.set(probe, again);
    else this.last.delete(probe);
    if (again !== undefined) return again.list;
    const list = judgeList(inputs, judge);
    if (inputs.every((cell) => typeof cell.expected !== "object"))
      this.last.set(probe, { given, inputs, places: placesOf(inputs), list });
    return list;
  }
}

function placesOf(inputs: readonly Cell[]): Int32Array {
  let [graded, ungraded] = [0, 0];
  return Int32Array.from(inputs, (cell) => (cell.ungraded === undefined ? graded++ : -1 - ungraded++));
}

/** Undefined where all have to be judged. */
function patched(last: Kept, inputs: readonly Cell[], judge: (cell: Cell) => JudgedCell): Kept | undefined {
  const changed = changedPlaces(last.inputs, inputs);
  if (changed === undefined) return undefined;
  const list = { cells: [...last.list.cells], ungraded: [...last.list.ungraded] };
  const judged: number[] = [];
  for (const index of changed) {
    const cell = inputs[index] as Cell;
    const place = last.places[index] as number;
    if (typeof cell.expected === "object" || (cell.ungraded !== undefined) !== place < 0) return undefined;
    if (place < 0) list.ungraded[-1 - place] = cell;
    else {
      list.cells[place] = judge(cell);
      judged.push(place);
    }
  }
  tallyPatched(last.list.cells, list.cells, judged);
  return { ...last, inputs, list };
}
