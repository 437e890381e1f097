import { expect, test } from "vitest";
import type { JudgedTask } from "../../../src/grade/types.ts";
import { examReporters } from "../../../src/report/exam.ts";
import type { ExamReport } from "../../../src/report/exam-types.ts";

const style = { colour: false, width: 100 };

function task(name: string, earned: number, more: Partial<JudgedTask> = {}): JudgedTask {
  const verdict = earned === 3 ? "pass" : "fail";
  return { name, text: `Do ${name}.`, verdict, earned, possible: 3, probes: [], voidedBy: [], ...more };
}

function examReport(verdict: ExamReport["verdict"]): ExamReport {
  return {
    apiVersion: "cnilab.dev/v1alpha1",
    kind: "ExamReport",
    name: "mock",
    title: "A mock exam",
    verdict,
    score: 50,
    passMark: 50,
    limitMs: 3_600_000,
    usedMs: 60_000,
    startedAt: "2026-01-01T10:00:00.000Z",
    finishedAt: "2026-01-01T10:01:00.000Z",
    labs: [
      {
        lab: "shop",
        title: "A shop",
        provider: "netns",
        weight: 2,
        verdict: "fail",
        score: 50,
        earned: 3,
        possible: 6,
        tasks: [task("one", 3), task("two", 0)],
      },
      {
        lab: "bank",
        title: "A bank",
        provider: "netns",
        weight: 1,
        verdict: "inconclusive",
        score: 0,
        earned: 0,
        possible: 0,
        tasks: [],
        notGraded: { code: "LAB_NOT_RUNNING", message: "lab bank is not running" },
      },
    ],
  };
}

test("the table has a block a lab, and the score last", () => {
  expect(examReporters.table(examReport("pass"), style)).toBe(`A mock exam  mock

A shop  shop  50 %  3/6 points, weight 2
✓ one: Do one.  3/3 points
✗ two: Do two.  0/3 points

A bank  bank  0 %  not graded, weight 1
  LAB_NOT_RUNNING lab bank is not running

passed: 50 % of the points, 50 % pass, 1m of 1h used
`);
});

test("in JUnit what was missed fails only an exam that is not passed", () => {
  const passed = examReporters.junit(examReport("pass"), style);
  expect(passed).not.toMatch(/<failure|<error/);
  expect(passed.match(/<skipped/g)).toHaveLength(2);
  const failed = examReporters.junit(examReport("fail"), style);
  expect(failed.match(/<failure/g)).toHaveLength(2);
  expect(failed.match(/<error/g)).toHaveLength(1);
  expect(failed).toContain('name="pass mark"');
});

test("JSON is the report itself", () => {
  expect(JSON.parse(examReporters.json(examReport("fail"), style))).toEqual(examReport("fail"));
});
