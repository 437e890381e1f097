import { describe, expect, it } from "vitest";
import { gradeProbes } from "../../../src/grade/judge.ts";
import { bonusProbes, type TaskToJudge } from "../../../src/grade/points.ts";
import type { GradeReport, ProbeResult } from "../../../src/grade/types.ts";
import { cell, cellWith, noFigures, probe, saw } from "./cells.ts";

function grade(probes: ProbeResult[], tasks: TaskToJudge[] = []): GradeReport {
  const bonus = bonusProbes(tasks);
  const marked = probes.map((each): ProbeResult => (bonus.has(each.name) ? { ...each, isBonus: true } : each));
  return gradeProbes({ probes: marked, tasks, compareFigures: noFigures });
}

const task = (...probes: string[]): TaskToJudge => ({ name: "task-1", text: "do it", probes });
const bonusTask = (...probes: string[]): TaskToJudge => ({ ...task(...probes), name: "more", isBonus: true });

describe("the whole report", () => {
  it("fails if any probe fails, else is inconclusive if any is, else passes", () => {
    const pass = probe("p", [cellWith("pass")]);
    const fail = probe("f", [cellWith("fail")]);
    const unsure = probe("u", [cellWith("inconclusive")]);
    expect(grade([pass]).verdict).toBe("pass");
    expect(grade([pass, unsure]).verdict).toBe("inconclusive");
    expect(grade([unsure, fail, pass]).verdict).toBe("fail");
    expect(grade([unsure, fail, pass, pass]).counts).toEqual({ pass: 2, fail: 1, inconclusive: 1 });
  });

  it("is inconclusive when nothing was probed", () => {
    expect(grade([]).verdict).toBe("inconclusive");
    expect(grade([probe("empty", [])]).probes[0]).toMatchObject({ verdict: "inconclusive", role: "goal" });
    expect(grade([], [task()]).tasks[0]?.verdict).toBe("inconclusive");
  });

  it("is inconclusive when a task names a probe that has no result", () => {
    const report = grade([probe("p", [cellWith("pass", true)])], [task("p", "gone")]);
    expect(report.tasks[0]?.verdict).toBe("inconclusive");
    expect(report.verdict).toBe("inconclusive");
  });

  it("judges every cell with its reason and keeps the probe's order", () => {
    const report = grade([probe("p", [cellWith("pass"), cellWith("fail"), cell("allowed", undefined)])]);
    expect(report.probes[0]?.cells.map(({ verdict }) => verdict)).toEqual(["pass", "fail", "inconclusive"]);
    expect(report.probes[0]?.cells[2]?.reason).toBe("never probed");
  });

  it("leaves ungraded cells out, but shows them", () => {
    const loopback = cell(undefined, saw("dropped"), { ungraded: "a pod to itself" });
    const report = grade([probe("p", [cellWith("pass"), loopback])]);
    expect(report.verdict).toBe("pass");
    expect(report.probes[0]?.cells).toHaveLength(1);
    expect(report.probes[0]?.ungraded).toEqual([loopback]);
    expect(grade([probe("p", [loopback])]).verdict).toBe("inconclusive");
    expect(grade([probe("p", [cellWith("pass")])]).probes[0]).not.toHaveProperty("ungraded");
  });

  it("judges cells by what their probe is: its kind's figures, its CNI, its fault and its recovery", () => {
    const figures = probe("figures", [cell({ bps: 5 }, saw("allowed", { measured: { bps: 4 } }))], { kind: "iperf" });
    const open = [cell("blocked", saw("allowed"))];
    const recovery = { withinMs: 1000, tookMs: 2000, tries: [] };
    const report = gradeProbes({
      probes: [
        figures,
        probe("unenforced", open, { notEnforceable: "flannel enforces none" }),
        probe("late", [cell("allowed", saw("allowed"))], { phase: { when: "after", fault: "cut" }, recovery }),
      ],
      tasks: [],
      compareFigures: (kind, measured, expected) => [kind, measured["bps"], expected["bps"]].join(" "),
    });
    expect(report.probes.map(({ cells }) => cells[0]?.reason)).toEqual([
      "iperf 4 5",
      "not enforceable: flannel enforces none",
      "as expected only 2s after the restore of cut, not within 1s",
    ]);
  });
});

describe("points", () => {
  it("go to cells that the untouched lab failed; guards are worth nothing", () => {
    const report = grade(
      [
        probe("guard", [cellWith("pass", true)], { points: 7 }),
        probe("goal", [cellWith("pass", false)], { points: 5 }),
      ],
      [task("guard", "goal")],
    );
    expect(report.probes.map(({ role, earned, possible }) => ({ role, earned, possible }))).toEqual([
      { role: "guard", earned: 0, possible: 0 },
      { role: "goal", earned: 5, possible: 5 },
    ]);
    // Strictly: what does not apply is absent.
    expect(report.tasks).toStrictEqual([
      {
        name: "task-1",
        text: "do it",
        verdict: "pass",
        earned: 5,
        possible: 5,
        probes: ["guard", "goal"],
        voidedBy: [],
      },
    ]);
    expect([report.earned, report.possible]).toEqual([5, 5]);
  });

  it("are 0 for an untouched lab: what passes is a guard, what is a goal fails", () => {
    const report = grade(
      [
        probe("m", [cellWith("pass", true), cellWith("fail", false)], { points: 5 }),
        probe("g", [cellWith("fail", false)]),
      ],
      [task("m", "g")],
    );
    expect([report.verdict, report.earned, report.possible]).toEqual(["fail", 0, 6]);
  });

  it("are spread over the goal cells of a matrix, rounded down so that only all give all", () => {
    const cells = [cellWith("pass", false), cellWith("pass", false), cellWith("fail", false), cellWith("pass", true)];
    const report = grade([probe("m", cells, { points: 2 })], [task("m")]);
    expect(report.probes[0]).toMatchObject({ role: "goal", earned: 1.33, possible: 2 });
    const almost = Array.from({ length: 1000 }, (_, index) => cellWith(index === 0 ? "fail" : "pass", false));
    expect(grade([probe("m", almost, { points: 1 })], [task("m")]).earned).toBe(0.99);
  });

  it("do not lose a hundredth to binary fractions", () => {
    const cells = [
      ...Array.from({ length: 29 }, () => cellWith("pass", false)),
      ...Array.from({ length: 71 }, () => cellWith("fail", false)),
    ];
    expect(grade([probe("m", cells, { points: 1 })], [task("m")]).earned).toBe(0.29);
    const tenths = Array.from({ length: 3 }, (_, index) =>
      probe(`p${index}`, [cellWith("pass", false)], { points: 0.1 }),
    );
    const report = grade(tenths, [task("p0", "p1", "p2")]);
    expect([report.earned, report.possible, report.tasks[0]?.earned]).toEqual([0.3, 0.3, 0.3]);
  });

  it("are 1 for a goal of a task that states none, and none for a probe outside tasks", () => {
    const report = grade([probe("a", [cellWith("pass", false)]), probe("b", [cellWith("pass", false)])], [task("a")]);
    expect(report.probes.map(({ possible }) => possible)).toEqual([1, 0]);
  });

  it("cannot be earned without a baseline where there are tasks", () => {
    const report = grade([probe("a", [cellWith("pass")], { points: 5 })], [task("a")]);
    expect(report.probes[0]).toMatchObject({ verdict: "pass", role: "goal", earned: 0, possible: 5 });
    const aside = grade(
      [probe("a", [cellWith("pass")], { points: 5 }), probe("b", [cellWith("pass", true)])],
      [task("b")],
    );
    expect(aside.earned).toBe(0);
  });

  it("do not count cells of a pod that the learner added, however they fare", () => {
    const added = (verdict: "pass" | "fail") => ({ ...cellWith(verdict), isNew: true });
    const full = grade(
      [probe("m", [cellWith("pass", false), added("pass"), added("fail")], { points: 2 })],
      [task("m")],
    );
    expect([full.earned, full.possible, full.verdict]).toEqual([2, 2, "fail"]);
    const none = grade([probe("m", [cellWith("fail", false), added("pass")], { points: 2 })], [task("m")]);
    expect([none.earned, none.possible]).toEqual([0, 2]);
  });

  it("are earned by passing where the lab has no tasks", () => {
    const report = grade([
      probe("a", [cellWith("pass")], { points: 5 }),
      probe("b", [cellWith("fail")], { points: 2 }),
    ]);
    expect([report.earned, report.possible]).toEqual([5, 7]);
  });

  it("are counted once in the total when two tasks share a probe", () => {
    const report = grade([probe("a", [cellWith("pass", false)], { points: 5 })], [task("a"), task("a")]);
    expect([report.earned, report.possible]).toEqual([5, 5]);
    expect(report.tasks.map(({ earned }) => earned)).toEqual([5, 5]);
  });
});

describe("a guard that does not pass", () => {
  const goal = () => probe("goal", [cellWith("pass", false)], { points: 5 });

  it.each(["fail", "inconclusive"] as const)("voids its task when it is %s", (verdict) => {
    const report = grade([probe("guard", [cellWith(verdict, true)]), goal()], [task("guard", "goal")]);
    expect(report.tasks[0]).toMatchObject({ verdict, earned: 0, possible: 5, voidedBy: ["guard"] });
    expect(report.probes[1]).toMatchObject({ verdict: "pass", earned: 0, possible: 5 });
    expect(report.earned).toBe(0);
  });

  it("voids when it is one cell of a matrix among goals", () => {
    const matrix = probe("m", [cellWith("pass", false), cellWith("fail", true)], { points: 5 });
    const report = grade([matrix, goal()], [task("m", "goal")]);
    expect(report.probes[0]).toMatchObject({ role: "goal", earned: 0 });
    expect(report.tasks[0]?.voidedBy).toEqual(["m"]);
    expect(report.earned).toBe(0);
  });

  it("leaves other tasks alone", () => {
    const report = grade([probe("guard", [cellWith("fail", true)]), goal()], [task("guard"), task("goal")]);
    expect(report.tasks.map(({ voidedBy }) => voidedBy)).toEqual([["guard"], []]);
    expect(report.earned).toBe(5);
  });

  it("does not take a probe from a second task that stands", () => {
    const report = grade([probe("guard", [cellWith("fail", true)]), goal()], [task("guard", "goal"), task("goal")]);
    expect(report.tasks.map(({ earned }) => earned)).toEqual([0, 5]);
    expect(report.earned).toBe(5);
  });

  it("is not a failed goal: that costs its own points only", () => {
    const report = grade([probe("other", [cellWith("fail", false)], { points: 3 }), goal()], [task("other", "goal")]);
    expect(report.tasks[0]).toMatchObject({ verdict: "fail", earned: 5, possible: 8, voidedBy: [] });
  });
});

describe("a bonus task", () => {
  const goal = (verdict: "pass" | "fail" | "inconclusive") => probe("goal", [cellWith(verdict, false)], { points: 5 });
  const more = (verdict: "pass" | "fail" | "inconclusive") => probe("more", [cellWith(verdict, false)], { points: 2 });

  it("adds its points apart from the required ones, and has no say in verdict and counts", () => {
    for (const verdict of ["pass", "fail", "inconclusive"] as const) {
      const report = grade([goal("pass"), more(verdict)], [task("goal"), bonusTask("more")]);
      expect(report).toMatchObject({
        verdict: "pass",
        earned: 5,
        possible: 5,
        counts: { pass: 1, fail: 0, inconclusive: 0 },
        bonus: { earned: verdict === "pass" ? 2 : 0, possible: 2, counts: { [verdict]: 1 } },
      });
      expect(report.tasks[1]).toMatchObject({ name: "more", isBonus: true, verdict, possible: 2 });
    }
    const lost = grade([goal("fail"), more("pass")], [task("goal"), bonusTask("more")]);
    expect([lost.verdict, lost.earned, lost.bonus?.earned]).toEqual(["fail", 0, 2]);
  });

  it("is not told of where there is none", () => {
    const report = grade([goal("pass")], [task("goal")]);
    expect("bonus" in report).toBe(false);
    expect(report.probes[0] && "isBonus" in report.probes[0]).toBe(false);
  });

  it("leaves a probe required that a required task names, too", () => {
    const report = grade([goal("fail"), more("pass")], [task("goal"), bonusTask("more", "goal")]);
    expect(report).toMatchObject({ verdict: "fail", earned: 0, possible: 5, bonus: { earned: 2, possible: 2 } });
    expect(report.tasks[1]).toMatchObject({ verdict: "fail", earned: 2, possible: 2 });
  });

  it("cannot save a required probe from being void, nor make one void", () => {
    const guard = probe("guard", [cellWith("fail", true)]);
    const void_ = grade([guard, goal("pass"), more("pass")], [task("guard", "goal"), bonusTask("goal", "more")]);
    expect([void_.earned, void_.bonus?.earned]).toEqual([0, 2]);
    const stands = grade([guard, goal("pass"), more("pass")], [task("goal"), bonusTask("guard", "goal", "more")]);
    expect([stands.verdict, stands.earned, stands.bonus?.earned]).toEqual(["pass", 5, 0]);
  });
});

describe("hints that were taken", () => {
  const goal = (name: string) => probe(name, [cellWith("pass", false)], { points: 5 });
  const hints = (taken: number, cost: number) => ({ hints: { taken, of: 3, cost } });

  it("cost points of their task and of the total, and change no verdict", () => {
    const report = grade(
      [goal("a"), goal("b")],
      [
        { ...task("a"), ...hints(2, 1.5) },
        { ...task("b"), ...hints(0, 0) },
      ],
    );
    expect([report.verdict, report.earned, report.possible]).toEqual(["pass", 8.5, 10]);
    expect(report.tasks.map(({ earned, hints: shown }) => [earned, shown])).toEqual([
      [3.5, { taken: 2, of: 3, cost: 1.5 }],
      [5, { taken: 0, of: 3, cost: 0 }],
    ]);
  });

  it("never cost more than was earned", () => {
    const lost = probe("lost", [cellWith("fail", false)], { points: 5 });
    const report = grade([lost, goal("b")], [{ ...task("lost"), ...hints(3, 9) }, task("b")]);
    expect([report.earned, report.tasks[0]?.earned, report.tasks[0]?.hints?.cost]).toEqual([5, 0, 0]);
    const shared = grade(
      [goal("a")],
      [
        { ...task("a"), ...hints(3, 4) },
        { ...task("a"), ...hints(3, 4) },
      ],
    );
    expect([shared.earned, shared.tasks.map(({ earned }) => earned)]).toEqual([0, [1, 1]]);
  });

  it("of a bonus task cost bonus points", () => {
    const report = grade([goal("a"), goal("b")], [task("a"), { ...bonusTask("b"), ...hints(1, 2) }]);
    expect([report.earned, report.bonus?.earned]).toEqual([5, 3]);
  });
});
