import * as fc from "fast-check";
import { expect, it } from "vitest";
import { attachControls, LastControls, type RecordedControl } from "../../../src/grade/controls.ts";
import { gradeProbes } from "../../../src/grade/judge.ts";
import { changedPlaces, LastCells } from "../../../src/grade/last-cells.ts";
import { LastJudged } from "../../../src/grade/last-judged.ts";
import type { Cell, GradeReport, Outcome } from "../../../src/grade/types.ts";
import { cell, noFigures, probe, saw } from "./cells.ts";

const AT = "2026-01-01T00:00:00Z";

/** Grades with what was known the last time, and without. */
function graders(): (
  cells: Cell[],
  earlier?: RecordedControl[],
  notEnforceable?: string,
) => [GradeReport, GradeReport] {
  const [controls, judged] = [new LastControls(), new LastJudged()];
  return (cells, earlier = [], notEnforceable) => {
    const probes = [probe("all", cells, { points: 5, ...(notEnforceable !== undefined && { notEnforceable }) })];
    const grade = (kept?: LastControls, last?: LastJudged): GradeReport =>
      gradeProbes({ probes: attachControls(probes, earlier, AT, kept), tasks: [], compareFigures: noFigures, last });
    return [grade(controls, judged), grade()];
  };
}

it("works out only what was not in the last list", () => {
  const last = new LastCells<{ text: string }, string>();
  const [one, two, three] = [{ text: "one" }, { text: "two" }, { text: "three" }];
  const worked = (inputs: { text: string }[], probeName = "all"): string[] => {
    const asked: string[] = [];
    const outputs = last.map(probeName, inputs, (some) => {
      asked.push(...some.map(({ text }) => text));
      return some.map(({ text }) => text.toUpperCase());
    });
    expect(outputs).toEqual(inputs.map(({ text }) => text.toUpperCase()));
    return asked;
  };
  expect(worked([one, two])).toEqual(["one", "two"]);
  expect(worked([one, three])).toEqual(["three"]);
  expect(worked([one, { text: "three" }])).toEqual(["three"]);
  expect(worked([one, two, three])).toEqual(["two", "three"]);
  expect(worked([one, two, three])).toEqual([]);
  expect(worked([two, three, one])).toEqual([]);
  expect(worked([three, one])).toEqual([]);
  expect(worked([one, two, three])).toEqual(["two"]);
  expect(worked([one, two, three], "another probe")).toEqual(["one", "two", "three"]);
  last.clear();
  expect(worked([one, two, three])).toEqual(["one", "two", "three"]);
  expect(changedPlaces([one, two, three], [one, three, three])).toEqual([1]);
  expect(changedPlaces([one], [one, two])).toBeUndefined();
});

it("who vouched for others is silent now: cells that are the same have another control, and the rest stay the very objects", () => {
  const blocked = (from: string): Cell => cell("blocked", saw("dropped"), { key: { from, to: "db", port: 1 } });
  const answered = (from: string): Cell => cell("allowed", saw("allowed"), { key: { from, to: "db", port: 1 } });
  const cells = [answered("a"), answered("b"), blocked("c"), blocked("d")];
  const grade = graders();
  const [first] = grade(cells);
  const changed = [cell("allowed", saw("dropped"), { key: { from: "a", to: "db", port: 1 } }), ...cells.slice(1)];
  const [second, anew] = grade(changed);
  expect(second).toEqual(anew);
  const of = (report: GradeReport, place: number): Cell | undefined => report.probes[0]?.cells[place];
  expect(of(second, 1)).toBe(of(first, 1));
  expect(of(second, 2)?.control?.from).toBe("b");
  expect(of(first, 2)?.control?.from).toBe("a");
  // Enforcement is no matter of the cells.
  const [third, thirdAnew] = grade(changed, [], "flannel enforces none");
  expect(third).toEqual(thirdAnew);
});

it("a grade by what is known from last time is the grade that is made anew, whatever changes", () => {
  const pods = ["a", "b", "c"];
  const outcome = fc.constantFrom<Outcome>("allowed", "dropped", "rejected", "error");
  const facts = fc.record({
    outcome,
    expected: fc.constantFrom("allowed" as const, "blocked" as const),
    ungraded: fc.boolean(),
    passedBefore: fc.option(fc.boolean(), { nil: undefined }),
    isNew: fc.boolean(),
  });
  const make = (
    place: number,
    {
      outcome: seen,
      expected,
      ungraded,
      passedBefore,
      isNew,
    }: typeof facts extends fc.Arbitrary<infer Facts> ? Facts : never,
  ): Cell =>
    cell(expected, saw(seen), {
      key: { from: pods[place % 3] as string, to: pods[Math.floor(place / 3) % 3] as string, port: 1, protocol: "tcp" },
      ...(ungraded && { ungraded: "not declared" }),
      ...(passedBefore !== undefined && { passedBefore }),
      ...(isNew && { isNew }),
    });
  const control = fc.record({
    destination: fc.constantFrom("a 1 tcp", "b 1 tcp", "c 1 tcp"),
    from: fc.constantFrom(...pods),
    isLoopback: fc.constant(false),
    at: fc.constantFrom("2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z"),
  });
  const change = fc.record({
    places: fc.array(fc.tuple(fc.nat(8), facts), { maxLength: 4 }),
    earlier: fc.array(control, { maxLength: 3 }),
    length: fc.integer({ min: 1, max: 9 }),
  });
  fc.assert(
    fc.property(
      fc.array(facts, { minLength: 9, maxLength: 9 }),
      fc.array(change, { maxLength: 6 }),
      (start, changes) => {
        const grade = graders();
        const all = start.map((each, place) => make(place, each));
        for (const { places, earlier, length } of changes) {
          for (const [place, each] of places) all[place] = make(place, each);
          const [known, anew] = grade(all.slice(0, length), earlier);
          expect(known).toEqual(anew);
        }
      },
    ),
  );
});

it("figures are compared anew, since what they are compared with is no matter of the cell alone", () => {
  const last = new LastJudged();
  const probes = [probe("all", [cell({ bps: 5 }, saw("allowed", { measured: { bps: 4 } }))])];
  const verdicts = ["bps differs", undefined].map(
    (difference) => gradeProbes({ probes, tasks: [], compareFigures: () => difference, last }).verdict,
  );
  expect(verdicts).toEqual(["fail", "pass"]);
});
