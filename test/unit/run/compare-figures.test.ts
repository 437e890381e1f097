import { expect, test } from "vitest";
import { compareFigures, figuresOf } from "../../../src/run/compare-figures.ts";
import { observation } from "../report/sample-report.ts";
import { calico, captured, flannel, runOf, side } from "./captured-run.ts";

const answer = (value: number, to: string) =>
  captured(side("allowed", "pass"), { to, figures: [{ what: "answer", unit: "ms", value }] });

test("a probe of many cells gives the median of each variant", () => {
  const one = runOf(calico, [answer(1, "a"), answer(2, "b"), answer(90, "c")]);
  const other = runOf(flannel, [answer(4, "a"), answer(6, "b")]);
  expect(compareFigures([one, other])).toMatchObject([{ what: "answer", cells: 3, from: "", values: [2, 5] }]);
});

test("cells that take no part in the grade give no figure", () => {
  const loopback = { ...answer(0.1, "self"), isUngraded: true };
  expect(compareFigures([runOf(calico, [loopback, answer(5, "a")])])).toMatchObject([{ values: [5] }]);
});

test("phases that ran twice are added up", () => {
  const phases = [
    { phase: "probe", durationMs: 5 },
    { phase: "probe", durationMs: 7 },
  ] as const;
  const run = runOf(calico, [], { phases: [...phases] });
  expect(compareFigures([run, undefined])).toMatchObject([{ what: "probe", values: [12, undefined] }]);
});

test.each([
  ["what a tool measured", { measured: { rttAvgMs: 0.2, loss: 0, sent: 3 }, latencyMs: 9 }, ["rtt 0.2", "loss 0"]],
  ["the time to an answer where nothing was measured", { latencyMs: 9 }, ["answer 9"]],
])("of an observation are %s", (_what, more, expected) => {
  expect(figuresOf(observation("allowed", "", more)).map(({ what, value }) => `${what} ${value}`)).toEqual(expected);
});

test("the time until nothing came is no figure", () => {
  expect(figuresOf(observation("dropped", "", { latencyMs: 1100 }))).toEqual([]);
});
