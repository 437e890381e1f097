import { changedPlaces } from "../grade/last-cells.ts";
import type { GradeReport, JudgedCell, JudgedProbe } from "../grade/types.ts";
import type { ChangedCell, WatchedSide } from "../report/watch-types.ts";
import { cellId } from "./cell-id.ts";

/** The graded cells of which verdict or outcome is another, in the order of the later grade, and then those that are gone. */
export function changedCells(before: GradeReport, now: GradeReport): ChangedCell[] {
  const earlier = new Map(before.probes.map((probe) => [probe.name, probe]));
  return now.probes.flatMap((probe) => {
    const known = earlier.get(probe.name);
    return known === undefined ? [] : changesOf(known, probe);
  });
}

function changesOf(before: JudgedProbe, now: JudgedProbe): ChangedCell[] {
  const { name: probe } = now;
  const places = changedPlaces(before.cells, now.cells);
  const pairs: [JudgedCell | undefined, JudgedCell | undefined][] = [];
  if (places?.every((place) => isSameCell(before.cells[place], now.cells[place])) === true) {
    for (const place of places) pairs.push([before.cells[place], now.cells[place]]);
  } else {
    const known = new Map(before.cells.map((cell) => [cellId(cell.key), cell]));
    for (const cell of now.cells) {
      const id = cellId(cell.key);
      pairs.push([known.get(id), cell]);
      known.delete(id);
    }
    for (const cell of known.values()) pairs.push([cell, undefined]);
  }
  return pairs.flatMap(([then, after]): ChangedCell[] => {
    const key = (after ?? then)?.key;
    if (key === undefined || (then?.verdict === after?.verdict && outcomeOf(then) === outcomeOf(after))) return [];
    return [{ probe, key, ...(then && { before: sideOf(then) }), ...(after && { now: sideOf(after) }) }];
  });
}

function isSameCell(one: JudgedCell | undefined, other: JudgedCell | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  const { from, to, port, protocol } = other.key;
  return one.key.from === from && one.key.to === to && one.key.port === port && one.key.protocol === protocol;
}

function outcomeOf(cell: JudgedCell | undefined): string | undefined {
  return cell?.observation?.outcome;
}

function sideOf({ verdict, observation }: JudgedCell): WatchedSide {
  return { verdict, ...(observation === undefined ? {} : { observed: observation.outcome }) };
}
