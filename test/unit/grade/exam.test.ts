import { expect, test } from "vitest";
import { labScore, scoreExam, type ExamPart } from "../../../src/grade/exam.ts";

function part(weight: number, earned: number, possible: number, verdict: ExamPart["verdict"] = "fail"): ExamPart {
  return { weight, verdict, points: { earned, possible } };
}

test("labs count by their weight and the share of their points", () => {
  expect(scoreExam([part(2, 10, 10, "pass"), part(1, 0, 3)], 66)).toEqual({ verdict: "pass", score: 66.66 });
  expect(scoreExam([part(2, 10, 10, "pass"), part(1, 0, 3)], 66.67)).toEqual({ verdict: "fail", score: 66.66 });
  expect(scoreExam([part(1, 1, 4), part(3, 5, 10)], 66)).toEqual({ verdict: "fail", score: 43.75 });
});

test("the pass mark is reached exactly, whatever sums of doubles lose", () => {
  const tenths = Array.from({ length: 10 }, (_, index) => part(0.1, index < 7 ? 1 : 0, 1));
  expect(scoreExam(tenths, 70)).toEqual({ verdict: "pass", score: 70 });
});

test("what could not be told earns nothing, and decides nothing", () => {
  const gone: ExamPart = { weight: 1, verdict: "inconclusive" };
  expect(scoreExam([part(1, 4, 4, "pass"), gone], 66)).toEqual({ verdict: "inconclusive", score: 50 });
  expect(scoreExam([part(1, 4, 4, "pass"), gone], 50)).toEqual({ verdict: "pass", score: 50 });
  expect(scoreExam([part(3, 0, 4), gone], 66)).toEqual({ verdict: "fail", score: 0 });
  expect(scoreExam([part(1, 1, 4, "inconclusive")], 66)).toEqual({ verdict: "inconclusive", score: 25 });
});

test("a lab in which nothing could be earned takes no part", () => {
  expect(scoreExam([part(1, 4, 4, "pass"), part(9, 0, 0, "pass")], 66)).toEqual({ verdict: "pass", score: 100 });
  expect(scoreExam([part(1, 0, 0, "pass")], 66)).toEqual({ verdict: "inconclusive", score: 0 });
});

test("a lab's own score is rounded down", () => {
  expect(labScore(part(5, 2, 3))).toBe(66.66);
  expect(labScore(part(5, 0, 0))).toBe(0);
});
