import { describe, expect, it } from "vitest";
import { gradeProbes } from "../../../src/grade/judge.ts";
import type { TaskFeedback } from "../../../src/grade/types.ts";
import { cell, cellWith, noFigures, probe, saw } from "./cells.ts";

function feedback(probes: ReturnType<typeof probe>[], names: string[]): TaskFeedback | undefined {
  const tasks = [{ name: "task-1", text: "do it", probes: names }];
  const nameOf = (end: string): string => (end === "shop/a-5d4f-x2" ? "shop/deployment/a" : end);
  return gradeProbes({ probes, tasks, compareFigures: noFigures, nameOf }).tasks[0]?.feedback;
}

describe("feedback of a task", () => {
  it("is none where every cell passed, and where there is no cell", () => {
    expect(feedback([probe("p", [cellWith("pass")])], ["p"])).toBeUndefined();
    expect(feedback([probe("p", [])], ["p", "gone"])).toBeUndefined();
  });

  it("names the first cell that failed, in the task's order, with expected and observed", () => {
    const key = { from: "shop/a-5d4f-x2", to: "shop/service/db", port: 5432, protocol: "tcp" as const };
    const open = cell("blocked", saw("allowed", { reason: "connected", tries: 2 }), { key });
    const probes = [
      probe("later", [cellWith("fail")]),
      probe("other", [cellWith("fail")]),
      probe("first", [cellWith("inconclusive"), cellWith("pass"), open, cellWith("fail")]),
    ];
    expect(feedback(probes, ["first", "later"])).toEqual({
      probe: "first",
      key: { ...key, from: "shop/deployment/a" },
      verdict: "fail",
      expected: "blocked",
      observed: { outcome: "allowed", reason: "connected", tries: 2 },
      reason: "expected blocked, observed allowed, 2 tries: connected",
    });
  });

  it("names one that is inconclusive where none failed, probed or not", () => {
    const never = cell("allowed", undefined);
    expect(feedback([probe("p", [cellWith("pass"), never])], ["p"])).toEqual({
      probe: "p",
      key: never.key,
      verdict: "inconclusive",
      expected: "allowed",
      reason: "never probed",
    });
    expect(feedback([probe("p", [never]), probe("q", [cellWith("fail")])], ["p", "q"])?.probe).toBe("q");
  });

  it("calls ends as the cell does where no other names are given", () => {
    const tasks = [{ name: "task-1", text: "do it", probes: ["p"] }];
    const report = gradeProbes({ probes: [probe("p", [cellWith("fail")])], tasks, compareFigures: noFigures });
    expect(report.tasks[0]?.feedback?.key).toEqual(cellWith("fail").key);
  });
});
