import { describe, expect, it } from "vitest";
import { gradeProbes } from "../../../src/grade/judge.ts";
import { applyTimeLimit, measureTime } from "../../../src/grade/time-limit.ts";
import type { TimeLimit, TimeUse, Verdict } from "../../../src/grade/types.ts";
import { cellWith, noFigures, probe } from "./cells.ts";

const limit: TimeLimit = { limitMs: 600_000, afterLimit: "nothing" };
const timing = { startedAt: "2026-01-01T12:00:00.000Z", latestAt: "2026-01-01T12:03:00.000Z" };
const at = (time: string): Date => new Date(`2026-01-01T${time}Z`);

function graded(verdict: Verdict) {
  const goal = probe("goal", [cellWith(verdict, false)], { points: 5 });
  const more = probe("more", [cellWith("pass", false)], { points: 2, isBonus: true });
  const tasks = [
    { name: "task-1", text: "do it", probes: ["goal"] },
    { name: "more", text: "and this", isBonus: true as const, probes: ["more"] },
  ];
  return gradeProbes({ probes: [goal, more], tasks, compareFigures: noFigures });
}

describe("the time that is used", () => {
  it.each<[string, Partial<TimeUse>]>([
    ["12:03:00.000", { usedMs: 180_000, leftMs: 420_000 }],
    ["12:10:00.000", { usedMs: 600_000, leftMs: 0 }],
    ["12:10:00.001", { usedMs: 600_001, lateMs: 1 }],
  ])("at %s", (time, use) => {
    expect(measureTime(limit, timing, at(time))).toEqual({ ...limit, startedAt: timing.startedAt, ...use });
  });

  it("cannot be told by a clock that went backwards, be it behind the start or only behind what was seen since", () => {
    for (const time of ["11:59:59.999", "12:02:59.999"]) {
      const use = measureTime(limit, timing, at(time));
      expect(use.unknown).toBe(
        `the clock went backwards: it shows 2026-01-01T${time}Z and has shown 2026-01-01T12:03:00.000Z`,
      );
      expect([use.usedMs, use.leftMs, use.lateMs]).toEqual([undefined, undefined, undefined]);
    }
  });

  it("cannot be told where the record has no beginning", () => {
    expect(measureTime(limit, undefined, at("12:03:00"))).toEqual({
      ...limit,
      unknown: "the run record does not say when the lab was up",
    });
  });
});

describe("a grade under a time limit", () => {
  const inTime = measureTime(limit, timing, at("12:05:00"));
  const late = measureTime(limit, timing, at("12:15:00"));
  const unknown = measureTime(limit, timing, at("12:00:00"));

  it("is the same within it, with the time", () => {
    const grade = graded("pass");
    expect(applyTimeLimit(grade, inTime)).toEqual({ ...grade, time: inTime });
  });

  it.each<Verdict>(["pass", "fail", "inconclusive"])("fails and earns nothing after it, %s or not", (verdict) => {
    const grade = graded(verdict);
    const after = applyTimeLimit(grade, late);
    const earned = verdict === "pass" ? 5 : 0;
    expect(after).toMatchObject({
      verdict: "fail",
      earned: 0,
      possible: 5,
      bonus: { earned: 0, possible: 2 },
      time: { lateMs: 300_000, withheld: { earned, bonus: 2 } },
    });
    expect([...after.probes, ...after.tasks].map((each) => [each.verdict, each.earned])).toEqual([
      [verdict, 0],
      ["pass", 0],
      [verdict, 0],
      ["pass", 0],
    ]);
  });

  it("is inconclusive at best, and earns nothing, where the time cannot be told", () => {
    const verdicts = (["pass", "fail", "inconclusive"] as const).map((verdict) => {
      const { verdict: is, earned, time } = applyTimeLimit(graded(verdict), unknown);
      return [is, earned, time?.withheld?.earned];
    });
    expect(verdicts).toEqual([
      ["inconclusive", 0, 5],
      ["fail", 0, 0],
      ["inconclusive", 0, 0],
    ]);
  });

  it("loses nothing where points count after it, but says how late it is", () => {
    const grade = graded("pass");
    for (const time of [late, unknown].map((use): TimeUse => ({ ...use, afterLimit: "points" })))
      expect(applyTimeLimit(grade, time)).toEqual({ ...grade, time });
  });
});
