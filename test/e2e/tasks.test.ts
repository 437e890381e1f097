import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { LabTiming } from "../../src/grade/time-limit.ts";
import type { GradeReport } from "../../src/grade/types.ts";
import type { LabTests } from "../../src/report/test-types.ts";
import type { LabStatus } from "../../src/run/lab-status.ts";
import { Cnilab } from "./cnilab.ts";

const folder = "test/fixtures/labs/tasks";
let cnilab: Cnilab;

beforeAll(async () => {
  cnilab = new Cnilab();
  const { exitCode, stderr } = await cnilab.run("up", folder);
  expect(exitCode, stderr).toBe(0);
});

afterAll(() => cnilab.remove());

async function must(...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await cnilab.run(...args);
  expect(exitCode, stderr).toBe(0);
  return stdout;
}

async function grade(): Promise<{ exitCode: number | null; report: GradeReport; stderr: string }> {
  const { exitCode, stdout, stderr } = await cnilab.run("grade", "tasks", "-o", "json");
  return { exitCode, report: JSON.parse(stdout) as GradeReport, stderr };
}

/** Moves what the run record knows of the time, as if it had been so long ago. */
function moveTime(part: keyof LabTiming, byMs: number): void {
  const path = join(cnilab.stateHome, "cnilab/labs/tasks/record.json");
  const record = JSON.parse(readFileSync(path, "utf8")) as { timing: LabTiming };
  record.timing[part] = new Date(Date.parse(record.timing[part]) + byMs).toISOString();
  writeFileSync(path, JSON.stringify(record));
}

test("what is required passes without the bonus and with it, and a hint costs its points", async () => {
  expect((await grade()).report).toMatchObject({ verdict: "fail", earned: 0, possible: 7, bonus: { earned: 0 } });
  await must("hint", "tasks");
  await must("apply", "tasks", "-f", join(folder, "database.yaml"));
  const required = await grade();
  expect([required.exitCode, required.report.verdict], required.stderr).toEqual([0, "pass"]);
  expect(required.report).toMatchObject({ earned: 5.5, possible: 7, bonus: { earned: 0, possible: 3 } });
  const [database, web] = required.report.tasks;
  expect(database).toMatchObject({ verdict: "pass", earned: 5.5, hints: { taken: 1, of: 2, cost: 1.5 } });
  expect(web).toMatchObject({
    verdict: "fail",
    feedback: { probe: "nobody reaches web", expected: "blocked", observed: { outcome: "allowed" } },
  });
  const matrix = required.report.probes.find(({ name }) => name === "every pair");
  const toWeb = matrix?.ungraded?.filter(({ key, ungraded }) => key.to === "app/web" && ungraded?.includes("bonus"));
  expect(toWeb?.map(({ key }) => key.from).toSorted()).toEqual(["app/cache", "app/db"]);

  await must("apply", "tasks", "-f", join(folder, "web.yaml"));
  const both = await grade();
  expect([both.exitCode, both.report.earned, both.report.bonus?.earned], both.stderr).toEqual([0, 5.5, 3]);
});

test("a late grade and one by a clock that went backwards earn nothing, until a reset", async () => {
  moveTime("startedAt", -2 * 3_600_000);
  const late = await grade();
  expect([late.exitCode, late.report.verdict, late.report.earned, late.report.bonus?.earned]).toEqual([
    1,
    "fail",
    0,
    0,
  ]);
  expect(late.report.time?.withheld).toEqual({ earned: 5.5, bonus: 3 });
  expect(late.report.time?.lateMs).toBeGreaterThanOrEqual(3_600_000);
  expect(await must("status")).toMatch(/^tasks: late by 1h .*, 2h .*of 1h used$/m);

  moveTime("latestAt", 3_600_000);
  for (const _again of [1, 2]) {
    const unknown = await grade();
    expect([unknown.exitCode, unknown.report.verdict, unknown.report.earned]).toEqual([3, "inconclusive", 0]);
    expect(unknown.stderr).toContain("GRADE_TIME_UNKNOWN");
  }

  await must("reset", "tasks");
  const [status] = JSON.parse(await must("status", "tasks", "-o", "json")) as LabStatus[];
  expect(status?.time?.leftMs).toBeGreaterThan(3_500_000);
  expect(await must("hint", "tasks", "--list")).toContain("2 more, the next for 1.5 points");
});

test("the test of the grader asks for required and bonus points", async () => {
  const { labs } = JSON.parse(await must("test", folder, "-o", "json")) as LabTests;
  expect(labs[0]).toMatchObject({
    untouched: { verdict: "fail", earned: 0, possible: 7, bonus: { earned: 0, possible: 3 } },
    withoutBonus: { verdict: "pass", earned: 7, possible: 7, bonus: { earned: 0, possible: 3 } },
    solved: { verdict: "pass", earned: 7, possible: 7, bonus: { earned: 3, possible: 3 } },
    counts: { survived: 0 },
    findings: [],
  });
});
