import { extended } from "../core/extended.ts";
import { FewControls, keepFew, LastRows, rowsOf, type ControlRow } from "./control-rows.ts";
import { changedPlaces } from "./last-cells.ts";
import type { Cell, PositiveControl, ProbeResult } from "./types.ts";

/** An answer that was seen, as the run record keeps it for a later grade. */
export interface RecordedControl {
  /** From {@link controlKey}. */
  destination: string;
  from: string;
  /** The source is the destination. */
  isLoopback: boolean;
  /** ISO 8601. */
  at: string;
}

/** When a cell was seen, ISO 8601; in a grade of which part was seen before, not all at one time. */
export type SeenAt = (cell: Cell) => string;

/** The answers among these results, a few for each destination, other sources before the destination itself. */
export function recordControls(
  probes: readonly Pick<ProbeResult, "kind" | "cells">[],
  at: string | SeenAt,
): RecordedControl[] {
  return [...answersIn(probes.map((probe) => rowsOf(probe, at))).values()].flat();
}

/** By destination. */
function answersIn(lists: readonly (readonly ControlRow[])[]): Map<string, RecordedControl[]> {
  const few = new Map<string, FewControls>();
  for (const rows of lists) {
    for (const { key, answers } of rows) {
      if (answers.length === 0) continue;
      let own = few.get(key);
      if (own === undefined) few.set(key, (own = new FewControls()));
      for (const control of answers) if (own.takes(control.from, control.isLoopback)) own.add(control);
    }
  }
  return new Map([...few].map(([key, controls]) => [key, controls.list()]));
}

/** Earlier answers with later ones: for each destination the latest are kept. */
export function mergeControls(
  earlier: readonly RecordedControl[],
  later: readonly RecordedControl[],
): RecordedControl[] {
  return [...byDestination([...later, ...earlier]).values()].flatMap(keepFew);
}

/**
 * Gives every cell that got no answer the best control there is: another source in this run, the destination itself,
 * this source before, anyone before. A source's own answer in the same run is none: it would contradict the cell. What
 * answered before counts no more once the destination refuses itself: its server is gone. During a fault the control is the cell's own
 * answer without it. `last` keeps the very cells of last time where nothing of them is other.
 */
export function attachControls(
  probes: readonly ProbeResult[],
  earlier: readonly RecordedControl[],
  at: string | SeenAt,
  last?: LastControls,
): ProbeResult[] {
  const lists = probes.map((probe) => last?.rows.rows(probe, at) ?? rowsOf(probe, at));
  const now = answersIn(lists);
  const before = byDestination(earlier);
  const gone = goneAmong(probes, lists);
  return probes.map((probe, index) => {
    const rows = lists[index] ?? [];
    const given = rows.map(({ key }): Given => ({
      key,
      now: now.get(key) ?? [],
      before: gone.has(key) ? [] : (before.get(key) ?? []),
    }));
    const cells = last?.attach(probe, rows, given) ?? attachTo(probe, rows, given);
    return { ...probe, cells };
  });
}

/** What answered at a row's destination. */
interface Given {
  key: string;
  now: readonly RecordedControl[];
  before: readonly RecordedControl[];
}

/** The controls that cells had last time, so that only cells that are others, or have another control, are looked at. */
export class LastControls {
  readonly rows = new LastRows();
  private readonly last = new Map<string, { inputs: readonly Cell[]; given: readonly Given[]; outputs: Cell[] }>();

  attach(probe: ProbeResult, rows: readonly ControlRow[], given: readonly Given[]): Cell[] {
    const last = this.last.get(probe.name);
    const places = last === undefined ? undefined : changedPlaces(last.inputs, probe.cells);
    const outputs =
      last === undefined || places === undefined || last.given.length !== given.length
        ? attachTo(probe, rows, given)
        : attachAgain(probe, rows, given, { ...last, places });
    this.last.set(probe.name, { inputs: probe.cells, given, outputs });
    return outputs;
  }
}

function attachTo(probe: ProbeResult, rows: readonly ControlRow[], given: readonly Given[]): Cell[] {
  const cells: Cell[] = [];
  for (const [number, { start, end }] of rows.entries())
    for (let place = start; place < end; place++)
      cells.push(withControl(probe, probe.cells[place] as Cell, given[number] as Given));
  return cells;
}

function attachAgain(
  probe: ProbeResult,
  rows: readonly ControlRow[],
  given: readonly Given[],
  last: { inputs: readonly Cell[]; given: readonly Given[]; outputs: Cell[]; places: readonly number[] },
): Cell[] {
  const { inputs, outputs, places } = last;
  const isOther = given.map((each, number) => !isSameGiven(each, last.given[number] as Given));
  if (places.length === 0 && !isOther.includes(true)) return outputs;
  const cells = [...outputs];
  let next = 0;
  for (const [number, { start, end }] of rows.entries()) {
    const attach = (place: number): void => {
      const cell = probe.cells[place] as Cell;
      const attached = withControl(probe, cell, given[number] as Given);
      const known = outputs[place] as Cell;
      if (inputs[place] !== cell || !isSameControl(known.control, attached.control)) cells[place] = attached;
    };
    if (isOther[number] === true) for (let place = start; place < end; place++) attach(place);
    for (; (places[next] ?? end) < end; next++) if (isOther[number] !== true) attach(places[next] as number);
  }
  return cells;
}

function withControl({ phase }: ProbeResult, cell: Cell, { now, before }: Given): Cell {
  if (cell.observation === undefined || cell.observation.outcome === "allowed") return cell;
  if (phase?.when === "during") return withOwnControl(cell);
  const control = findControl(cell.key.from, now, before);
  return control === undefined ? cell : extended(cell, { control });
}

function isSameGiven(one: Given, other: Given): boolean {
  return one.key === other.key && areSame(one.now, other.now) && areSame(one.before, other.before);
}

function areSame(one: readonly RecordedControl[], other: readonly RecordedControl[]): boolean {
  return (
    one === other ||
    (one.length === other.length &&
      one.every(({ from, isLoopback, at }, index) => {
        const { from: otherFrom, isLoopback: isOtherLoopback, at: otherAt } = other[index] as RecordedControl;
        return from === otherFrom && isLoopback === isOtherLoopback && at === otherAt;
      }))
  );
}

function isSameControl(one: PositiveControl | undefined, other: PositiveControl | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return one.by === other.by && one.from === other.from && one.at === other.at;
}

function withOwnControl(cell: Cell): Cell {
  const { key, withoutFault } = cell;
  if (withoutFault?.outcome !== "allowed") return cell;
  return { ...cell, control: { by: "before", from: key.from, at: withoutFault.at } };
}

function findControl(
  from: string,
  now: readonly RecordedControl[],
  before: readonly RecordedControl[],
): PositiveControl | undefined {
  // Those of now stand with other sources before the destination itself.
  const other = now.find((control) => control.from !== from);
  const found = other ?? before.find((control) => control.from === from) ?? before[0];
  if (found === undefined) return undefined;
  const by = found.isLoopback ? "itself" : found.from === from ? "before" : "another-source";
  return { by, from: found.from, at: found.at };
}

/** The destinations that refuse themselves. */
function goneAmong(probes: readonly ProbeResult[], lists: readonly (readonly ControlRow[])[]): Set<string> {
  const gone = new Set<string>();
  for (const [index, { phase }] of probes.entries()) {
    // What a server refuses during a fault says nothing of the time after.
    if (phase?.when === "during") continue;
    for (const { key, isGone } of lists[index] ?? []) if (isGone) gone.add(key);
  }
  return gone;
}

function byDestination(controls: readonly RecordedControl[]): Map<string, RecordedControl[]> {
  const groups = new Map<string, RecordedControl[]>();
  for (const control of controls) {
    const group = groups.get(control.destination);
    if (group === undefined) groups.set(control.destination, [control]);
    else group.push(control);
  }
  return groups;
}
