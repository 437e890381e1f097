import { describe, expect, it } from "vitest";
import { LastRows, rowsOf } from "../../../src/grade/control-rows.ts";
import { attachControls, LastControls } from "../../../src/grade/controls.ts";
import type { Cell, Outcome } from "../../../src/grade/types.ts";
import { cell, probe, saw } from "./cells.ts";

const NOW = "2026-01-02T00:00:00.000Z";

function flow(from: string, to: string, outcome: Outcome, reason = "first"): Cell {
  return cell("allowed", saw(outcome, { reason }), { key: { from, to, port: 80, protocol: "tcp" } });
}

/** Two destinations, each of which answers c and not a. */
const cells = [
  flow("c", "b", "allowed"),
  flow("a", "b", "dropped"),
  flow("c", "d", "allowed"),
  flow("a", "d", "dropped"),
  flow("d", "d", "allowed"),
];

function withCell(place: number, changed: Cell, list: readonly Cell[] = cells): Cell[] {
  return list.with(place, changed);
}

describe("rows of cells", () => {
  it("are those of one destination that follow each other, with their answers and whether it refuses itself", () => {
    const rows = rowsOf(probe("p", withCell(4, flow("d", "d", "rejected"))), NOW);
    expect(rows).toEqual([
      expect.objectContaining({ start: 0, end: 2, key: "b 80 tcp", isGone: false }),
      expect.objectContaining({ start: 2, end: 5, key: "d 80 tcp", isGone: true }),
    ]);
    expect(rows.map(({ answers }) => answers.map(({ from }) => from))).toEqual([["c"], ["c"]]);
    expect(rowsOf(probe("p", []), NOW)).toEqual([]);
  });

  it("are the very rows of last time but for those with a cell that is another", () => {
    const last = new LastRows();
    const first = last.rows(probe("p", cells), NOW);
    expect(last.rows(probe("p", [...cells]), NOW)).toBe(first);
    const second = last.rows(probe("p", withCell(3, flow("a", "d", "allowed"))), NOW);
    expect(second[0]).toBe(first[0]);
    expect(second[1]?.answers.map(({ from }) => from)).toEqual(["c", "a", "d"]);
    const both = withCell(0, flow("c", "b", "dropped"), withCell(3, flow("a", "d", "allowed")));
    expect(last.rows(probe("p", both), NOW)).toEqual(rowsOf(probe("p", both), NOW));
    const twoOfOne = withCell(2, flow("c", "d", "dropped"), withCell(4, flow("d", "d", "rejected")));
    expect(last.rows(probe("p", twoOfOne), NOW)).toEqual(rowsOf(probe("p", twoOfOne), NOW));
  });

  it("are made anew where a cell is of another destination, or the list is of another length or probe", () => {
    const last = new LastRows();
    last.rows(probe("p", cells), NOW);
    const moved = withCell(1, flow("a", "d", "dropped"));
    expect(last.rows(probe("p", moved), NOW)).toEqual(rowsOf(probe("p", moved), NOW));
    expect(last.rows(probe("p", cells.slice(0, 3)), NOW)).toEqual(rowsOf(probe("p", cells.slice(0, 3)), NOW));
    expect(last.rows(probe("other", cells), NOW)).toEqual(rowsOf(probe("other", cells), NOW));
  });
});

describe("controls beside those of last time", () => {
  const attach = (last: LastControls, list: Cell[]): Cell[] =>
    attachControls([probe("p", list)], [], NOW, last)[0]?.cells ?? [];

  it("are the very list where no cell is another", () => {
    const last = new LastControls();
    const first = attach(last, cells);
    expect(first.map(({ control }) => control?.from)).toEqual([undefined, "c", undefined, "c", undefined]);
    expect(attach(last, [...cells])).toBe(first);
  });

  it("are given to a cell that is another, though its destination answers as before", () => {
    const last = new LastControls();
    const first = attach(last, cells);
    const second = attach(last, withCell(3, flow("a", "d", "dropped", "second")));
    expect(second[3]).toMatchObject({ control: { from: "c" }, observation: { reason: "second" } });
    for (const place of [0, 1, 2, 4]) expect(second[place]).toBe(first[place]);
    const third = attach(last, withCell(1, flow("a", "b", "dropped", "third"), withCell(3, cells[3] as Cell)));
    expect(third.map(({ observation }) => observation?.reason)).toEqual(["first", "third", "first", "first", "first"]);
  });

  it("go with the answer that they were, from every cell of that destination", () => {
    const last = new LastControls();
    const first = attach(last, cells);
    const silent = withCell(0, flow("c", "b", "dropped"));
    expect(attach(last, silent).map(({ control }) => control?.from)).toEqual([
      undefined,
      undefined,
      undefined,
      "c",
      undefined,
    ]);
    const again = attach(last, cells);
    expect(again).toEqual(first);
    expect(attach(last, cells.slice(2)).map(({ control }) => control?.from)).toEqual([undefined, "c", undefined]);
  });

  it("keep the very cell where another answer at its destination changes nothing of its control", () => {
    const last = new LastControls();
    const first = attach(last, cells);
    const second = attach(last, withCell(4, flow("d", "d", "dropped")));
    expect(second[3]).toBe(first[3]);
  });
});
