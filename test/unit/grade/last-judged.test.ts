import { describe, expect, it } from "vitest";
import { judgeList, LastJudged } from "../../../src/grade/last-judged.ts";
import type { Cell, JudgedCell } from "../../../src/grade/types.ts";
import { cell, saw } from "./cells.ts";

const plain = (reason: string): Cell => cell("allowed", saw("allowed", { reason }));
const left = (reason: string): Cell => ({ ...plain(reason), ungraded: "not declared" });
const figure = (reason: string): Cell => cell({ bps: 5 }, saw("allowed", { reason }));

/** Judges lists with what is kept of those before, and tells which cells were judged for it. */
function judging() {
  const last = new LastJudged();
  return (cells: Cell[], given = "same", probe = "p") => {
    const judged: string[] = [];
    const judge = (each: Cell): JudgedCell => {
      judged.push(each.observation?.reason ?? "");
      return { ...each, verdict: "pass", reason: "as expected" };
    };
    const list = last.judge(probe, given, cells, judge);
    expect(list).toEqual(judgeList(cells, (each) => ({ ...each, verdict: "pass", reason: "as expected" })));
    return { list, judged };
  };
}

describe("judged cells of last time", () => {
  const [a, b, c, d] = [plain("a"), left("b"), plain("c"), left("d")];

  it("are the very objects, time after time, where their cells are", () => {
    const judge = judging();
    const { list: first, judged } = judge([a, b, c, d]);
    expect(judged).toEqual(["a", "c"]);
    for (const round of [1, 2]) {
      const again = judge([a, b, c, d]);
      expect(again.judged, `round ${round}`).toEqual([]);
      expect(again.list.cells.map((each, index) => each === first.cells[index])).toEqual([true, true]);
    }
  });

  it("are made anew for the cells that are others, which may be among those that are not graded", () => {
    const judge = judging();
    judge([a, b, c, d]);
    expect(judge([a, b, plain("e"), d]).judged).toEqual(["e"]);
    expect(judge([a, left("f"), plain("e2"), left("g")]).judged).toEqual(["e2"]);
    expect(
      judge([a, left("f2"), plain("e3"), left("g2")]).list.ungraded.map(({ observation }) => observation?.reason),
    ).toEqual(["f2", "g2"]);
  });

  it("are made anew, all of them, where one begins or ends to be graded, or the list is longer", () => {
    const judge = judging();
    judge([a, b, c, d]);
    expect(judge([a, plain("b2"), c, d]).judged).toEqual(["a", "b2", "c"]);
    expect(judge([left("a2"), plain("b3"), c, d]).judged).toEqual(["b3", "c"]);
    expect(judge([a, b, c]).judged).toEqual(["a", "c"]);
  });

  it("are made anew where something else counts, or the probe is another", () => {
    const judge = judging();
    judge([a, c]);
    expect(judge([a, c], "other").judged).toEqual(["a", "c"]);
    expect(judge([a, c], "other", "q").judged).toEqual(["a", "c"]);
  });

  it("are made anew each time where one of them expects figures, or begins to", () => {
    const judge = judging();
    const bps = figure("x");
    judge([a, bps]);
    expect(judge([a, bps]).judged).toEqual(["a", "x"]);
    judge([a, c]);
    expect(judge([a, bps]).judged).toEqual(["a", "x"]);
    expect(judge([a, bps]).judged).toEqual(["a", "x"]);
    judge([a, c]);
    judge([a, figure("y")]);
    expect(judge([a, c]).judged).toEqual(["a", "c"]);
  });
});
