import type { Flow } from "../providers/types.ts";
import type { RanCell } from "../probes/scheduler.ts";

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

  /** These places, ascending, with those of their destinations' controls. */
  withControls(places: readonly number[]): number[] {
    const destinations = new Set<string>();
    for (const { start, sort } of this.rowsOf(places))
      if (sort !== "controls") destinations.add(destinationOf(this.cells[start] as RanCell));
    const wanted = new Set(places);
    for (const { start, end, sort } of this.rows) {
      if (sort !== "controls") continue;
      for (let place = start; place < end; place++)
        if (destinations.has(destinationOf(this.cells[place] as RanCell))) wanted.add(place);
    }
    return wanted.size === places.length ? [...places] : [...wanted].sort((one, other) => one - other);
  }

  /** The rows that have any of these places, ascending. */
  private rowsOf(places: readonly number[]): Row[] {
    let next = 0;
    return this.rows.filter(({ end }) => {
      const first = next;
      while ((places[next] ?? end) < end) next += 1;
      return next > first;
    });
  }

  /** With what was seen anew of the cells at these places, ascending; undefined where it is of other cells. */
  withNewer(newer: readonly RanCell[], places: readonly number[]): MatrixCells | undefined {
    if (newer.length !== places.length) return undefined;
    const cells = [...this.cells];
    for (const [index, place] of places.entries()) {
      const cell = newer[index] as RanCell;
      if (cell.key !== this.cells[place]?.key) return undefined;
      cells[place] = cell;
    }
    const others = new Set(this.rowsOf(places));
    const rows = this.rows.map((row) => (others.has(row) ? rowOf(cells, row.start, row.end, this.isEnd) : row));
    return new MatrixCells(cells, rows, this.isEnd);
  }
}

function destinationOf({ key: { to, port, protocol } }: RanCell): string {
  return `${to} ${port} ${protocol}`;
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
