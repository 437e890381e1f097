import type { Flow } from "../providers/types.ts";
import type { RanCell } from "../probes/scheduler.ts";
import { cellId } from "./cell-id.ts";

/** Cells that follow each other, all towards one destination, or all of destinations to themselves. */
interface Row {
  /** Places in the list of cells: of the first, and after the last. */
  start: number;
  end: number;
  sort:
    | "controls"
    /** Each is a flow to `flow`'s destination, of a pod with a network of its own, and something was seen of each. */
    | "even"
    | "mixed";
  flow?: Flow;
}

/** Whether a name is that of a pod with a network of its own. */
export type IsEnd = (name: string) => boolean;

/**
 * The cells of a matrix by rows of one destination, so that a row which a change does not touch is passed over whole. Replacing cells gives
 * a new list, with the others at their places.
 */
export class MatrixCells {
  readonly cells: RanCell[];
  private readonly rows: readonly Row[];
  private readonly isEnd: IsEnd;

  private constructor(cells: RanCell[], rows: readonly Row[], isEnd: IsEnd) {
    this.cells = cells;
    this.rows = rows;
    this.isEnd = isEnd;
  }

  static of(cells: RanCell[], isEnd: IsEnd): MatrixCells {
    const rows: Row[] = [];
    for (let start = 0; start < cells.length;) {
      let end = start + 1;
      while (end < cells.length && isBeside(cells[start] as RanCell, cells[end] as RanCell)) end += 1;
      rows.push(rowOf(cells, start, end, isEnd));
      start = end;
    }
    return new MatrixCells(cells, rows, isEnd);
  }

  /**
   * The places of cells that `isTouched`; cells of rows that policies treat as before, which `isSame` tells of a flow of theirs, are not
   * asked for one by one.
   */
  touched(isTouched: (cell: RanCell) => boolean, isSame: (flow: Flow) => boolean): number[] {
    const places: number[] = [];
    for (const { start, end, sort, flow } of this.rows) {
      if (sort === "even" && flow !== undefined && isSame(flow)) continue;
      for (let place = start; place < end; place++) if (isTouched(this.cells[place] as RanCell)) places.push(place);
    }
    return places;
  }

  /** Where these cells are, in the order of places. */
  placesOf(cells: ReadonlySet<RanCell>): number[] {
    return this.cells.flatMap((cell, place) => (cells.has(cell) ? [place] : []));
  }

  /**
   * With what was seen anew of the cells at `wanted`, and controls by the way. Undefined where one of them was not seen, or something was
   * seen that had no place: the matrix then has other cells than it had.
   */
  withNewer(newer: readonly RanCell[], wanted: readonly number[]): MatrixCells | undefined {
    const byId = new Map(newer.map((cell) => [cellId(cell.key), cell]));
    const cells = [...this.cells];
    const changed: number[] = [];
    const replace = (place: number): boolean => {
      const found = byId.get(cellId((cells[place] as RanCell).key));
      if (found === undefined) return false;
      cells[place] = found;
      changed.push(place);
      return true;
    };
    for (const place of wanted) if (!replace(place)) return undefined;
    const isWanted = new Set(wanted);
    for (const { start, end, sort } of this.rows) {
      if (sort !== "controls") continue;
      for (let place = start; place < end; place++) if (!isWanted.has(place)) replace(place);
    }
    if (changed.length !== newer.length) return undefined;
    const others = new Set(changed);
    const rows = this.rows.map((row) => (hasAny(row, others) ? rowOf(cells, row.start, row.end, this.isEnd) : row));
    return new MatrixCells(cells, rows, this.isEnd);
  }
}

function hasAny({ start, end }: Row, places: ReadonlySet<number>): boolean {
  for (let place = start; place < end; place++) if (places.has(place)) return true;
  return false;
}

function isControl({ key, ungraded }: RanCell): boolean {
  return ungraded !== undefined && key.from === key.to;
}

function isBeside(one: RanCell, other: RanCell): boolean {
  if (isControl(one) || isControl(other)) return isControl(one) && isControl(other);
  return one.key.to === other.key.to && one.key.port === other.key.port && one.key.protocol === other.key.protocol;
}

function rowOf(cells: readonly RanCell[], start: number, end: number, isEnd: IsEnd): Row {
  const first = cells[start] as RanCell;
  if (isControl(first)) return { start, end, sort: "controls" };
  const { flow } = first;
  for (let place = start; place < end; place++) {
    const cell = cells[place] as RanCell;
    const isSeen = cell.observation !== undefined && cell.observation.outcome !== "error";
    const isPod = cell.flow?.from.kind === "pod" && isEnd(cell.key.from);
    if (flow === undefined || cell.flow === undefined || !isPod || !isSeen || !isSameWay(flow, cell.flow))
      return { start, end, sort: "mixed" };
  }
  return flow === undefined ? { start, end, sort: "mixed" } : { start, end, sort: "even", flow };
}

/** Flows of one destination have the list of its pods in common. */
function isSameWay(one: Flow, other: Flow): boolean {
  return (
    one.to === other.to &&
    one.address === other.address &&
    one.port === other.port &&
    one.protocol === other.protocol &&
    one.targetPorts === other.targetPorts
  );
}
