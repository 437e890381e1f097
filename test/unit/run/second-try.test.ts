import { describe, expect, it } from "vitest";
import type { Outcome, ProbeResult } from "../../../src/grade/types.ts";
import type { RanProbe } from "../../../src/probes/scheduler.ts";
import { cellsToRepeat, mergeSecondTry } from "../../../src/run/second-try.ts";
import { cell, judged, probe, saw } from "../grade/cells.ts";

function matrix(name: string, cells: [from: string, to: string, port: number, outcome: Outcome][]): ProbeResult {
  return probe(
    name,
    cells.map(([from, to, port, outcome]) =>
      cell("allowed", saw(outcome), { key: { from, to, port, protocol: "tcp" } }),
    ),
  );
}

describe("the second try", () => {
  const ran = matrix("all", [
    ["a", "b", 80, "allowed"],
    ["c", "b", 80, "dropped"],
    ["d", "b", 80, "dropped"],
    ["c", "b", 81, "error"],
    ["c", "e", 80, "allowed"],
  ]);
  const all = judged([ran, matrix("right", [["a", "e", 80, "allowed"]])]);

  it("is of the probes with a failed cell, and of their matrices from the sources that failed", () => {
    const { probes, only } = cellsToRepeat(all);
    expect([...probes]).toEqual(["all"]);
    expect([...(only("b", 80, "tcp") ?? [])]).toEqual(["c", "d"]);
    for (const [to, port, protocol] of [
      ["b", 81, "tcp"],
      ["b", 80, "udp"],
      ["e", 80, "tcp"],
    ] as const)
      expect(only(to, port, protocol)).toBeUndefined();
  });

  it("is of nothing where what failed is not enforced by this CNI", () => {
    const { probes, only } = cellsToRepeat(judged([{ ...ran, notEnforceable: "no policies" }]));
    expect([...probes, only("b", 80, "tcp")]).toEqual([undefined]);
  });

  it("replaces what it saw, and leaves what it did not look at", () => {
    const again = { ...ran, cells: ran.cells.slice(1, 2).map((each) => ({ ...each, observation: saw("allowed") })) };
    const [merged] = mergeSecondTry([ran as RanProbe], [again as RanProbe], all);
    expect(merged?.cells.map(({ observation }) => [observation?.outcome, observation?.tries])).toEqual([
      ["allowed", 1],
      ["allowed", 2],
      ["dropped", 1],
      ["error", 1],
      ["allowed", 1],
    ]);
    expect(merged?.cells[1]?.observation?.evidence.map((each) => ("text" in each ? each.text : ""))).toContainEqual(
      expect.stringContaining("the first try saw dropped"),
    );
  });
});
