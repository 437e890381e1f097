import type { RecordedControl, SeenAt } from "./controls.ts";
import { changedPlaces } from "./last-cells.ts";
import type { Cell, ProbeResult } from "./types.ts";

/** Answers kept for each destination: one would do; the second lets a cell be shown a source other than its own. */
const KEPT_EACH_DESTINATION = 2;

/**
 * What must be equal for one cell's answer to vouch for another's destination: server, port and protocol; for probes
 * without a port the kind too, so that a name that resolves never vouches for a ping.
 */
export function controlKey(kind: string, cell: Cell): string {
  const { to, port, protocol } = cell.key;
  return [cell.destination ?? to, port ?? "-", protocol ?? kind].join(" ");
}

/** Cells of one destination that follow each other, as those of a matrix do. */
export interface ControlRow {
  /** Places in the list of cells: of the first, and after the last. */
  start: number;
  end: number;
  /** The {@link controlKey} of each. */
  key: string;
  /** A few. */
  answers: readonly RecordedControl[];
  /** The destination refuses itself. */
  isGone: boolean;
}

/** The rows of a probe's cells, in their order. */
export function rowsOf({ kind, cells }: Pick<ProbeResult, "kind" | "cells">, at: string | SeenAt): ControlRow[] {
  const rows: ControlRow[] = [];
  for (let start = 0; start < cells.length;) {
    const first = cells[start] as Cell;
    let end = start + 1;
    while (end < cells.length && isBeside(first, cells[end] as Cell)) end += 1;
    rows.push(seenIn(cells, { start, end, key: controlKey(kind, first) }, at));
    start = end;
  }
  return rows;
}

/** The rows of a list that differs from an earlier one, as long as it, at these places; undefined where its rows are others. */
export function patchedRows(
  earlier: readonly ControlRow[],
  { kind, cells }: Pick<ProbeResult, "kind" | "cells">,
  places: readonly number[],
  at: string | SeenAt,
): readonly ControlRow[] | undefined {
  if (places.length === 0) return earlier;
  const rows = [...earlier];
  let last = -1;
  let number = 0;
  for (const place of places) {
    while ((rows[number] as ControlRow).end <= place) number += 1;
    const row = rows[number] as ControlRow;
    if (controlKey(kind, cells[place] as Cell) !== row.key) return undefined;
    if (number !== last) rows[number] = seenIn(cells, row, at);
    last = number;
  }
  return rows;
}

/** The rows of each probe's cells, made anew where cells are others than last time; `at` has to give the same cell the same time. */
export class LastRows {
  private readonly last = new Map<string, { cells: readonly Cell[]; rows: readonly ControlRow[] }>();

  rows(probe: ProbeResult, at: string | SeenAt): readonly ControlRow[] {
    const last = this.last.get(probe.name);
    const places = last === undefined ? undefined : changedPlaces(last.cells, probe.cells);
    const patched = last === undefined || places === undefined ? undefined : patchedRows(last.rows, probe, places, at);
    const rows = patched ?? rowsOf(probe, at);
    this.last.set(probe.name, { cells: probe.cells, rows });
    return rows;
  }
}

function isBeside(one: Cell, other: Cell): boolean {
  return (
    one.destination === other.destination &&
    one.key.to === other.key.to &&
    one.key.port === other.key.port &&
    one.key.protocol === other.key.protocol
  );
}

function seenIn(
  cells: readonly Cell[],
  { start, end, key }: Pick<ControlRow, "start" | "end" | "key">,
  at: string | SeenAt,
): ControlRow {
  const few = new FewControls();
  let isGone = false;
  for (let place = start; place < end; place++) {
    const cell = cells[place] as Cell;
    const { from, to } = cell.key;
    const isLoopback = from === to;
    // A refusal is no control: RST and ICMP come from hosts on which nothing listens.
    if (cell.observation?.outcome === "rejected" && isLoopback) isGone = true;
    if (cell.observation?.outcome !== "allowed" || !few.takes(from, isLoopback)) continue;
    few.add({ destination: key, from, isLoopback, at: typeof at === "string" ? at : at(cell) });
  }
  return { start, end, key, answers: few.all(), isGone };
}

/** As {@link keepFew} of all that were added, without keeping them all. */
export class FewControls {
  private readonly others: RecordedControl[] = [];
  private readonly itself: RecordedControl[] = [];

  takes(from: string, isLoopback: boolean): boolean {
    const list = isLoopback ? this.itself : this.others;
    return list.length < KEPT_EACH_DESTINATION && !list.some((known) => known.from === from);
  }

  add(control: RecordedControl): void {
    (control.isLoopback ? this.itself : this.others).push(control);
  }

  all(): RecordedControl[] {
    return [...this.others, ...this.itself];
  }

  list(): RecordedControl[] {
    return keepFew(this.all());
  }
}

/** Of one destination's answers those that are kept: of other sources before the destination's own, one a source. */
export function keepFew(controls: readonly RecordedControl[]): RecordedControl[] {
  const sources = new Map<string, RecordedControl>();
  for (const control of controls.toSorted((a, b) => Number(a.isLoopback) - Number(b.isLoopback))) {
    if (!sources.has(control.from)) sources.set(control.from, control);
  }
  return [...sources.values()].slice(0, KEPT_EACH_DESTINATION);
}
