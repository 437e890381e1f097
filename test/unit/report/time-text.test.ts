import { expect, test } from "vitest";
import type { TimeUse } from "../../../src/grade/types.ts";
import { renderJunit } from "../../../src/report/junit.ts";
import { renderTerminal } from "../../../src/report/terminal.ts";
import { describeTime } from "../../../src/report/time-text.ts";
import { cell, probe, report } from "./sample-report.ts";

const limit = { limitMs: 900_000, afterLimit: "nothing" } as const;
const late: TimeUse = { ...limit, usedMs: 4_565_300, lateMs: 3_665_300, withheld: { earned: 8, bonus: 1.5 } };
const inTime: TimeUse = { ...limit, usedMs: 750_999, leftMs: 149_001 };
const unknown: TimeUse = { ...limit, unknown: "the clock went backwards" };

test.each<[TimeUse, string]>([
  [inTime, "12m 30s of 15m used, 2m 29s left"],
  [{ ...limit, usedMs: 0, leftMs: 900_000 }, "0s of 15m used, 15m left"],
  [late, "late by 1h 1m 6s, 1h 16m 5s of 15m used: 9.5 points do not count"],
  [{ ...late, withheld: { earned: 1 } }, "late by 1h 1m 6s, 1h 16m 5s of 15m used: 1 point does not count"],
  [{ ...limit, usedMs: 900_001, lateMs: 1, withheld: { earned: 0 } }, "late by 1s, 15m of 15m used"],
  [{ ...late, afterLimit: "points" }, "late by 1h 1m 6s, 1h 16m 5s of 15m used: points count all the same"],
  [{ ...unknown, withheld: { earned: 8 } }, "time unknown, the clock went backwards: 8 points do not count"],
])("a time limit is told as it was used: %o", (time, text) => {
  expect(describeTime(time)).toBe(text);
});

test.each<[string, TimeUse, RegExp]>([
  ["passes in time", inTime, /tests="2" failures="0" errors="0"/],
  ["fails when it is late", late, /tests="2" failures="1" errors="0"/],
  ["is in error when the time cannot be told", unknown, /tests="2" failures="0" errors="1"/],
  [
    "passes late where points count all the same",
    { ...late, afterLimit: "points" },
    /tests="2" failures="0" errors="0"/,
  ],
])("in JUnit the time limit %s", (_how, time, counts) => {
  const given = report([probe("it works", [cell("shop/web", "shop/db", "pass")])]);
  given.grade.time = time;
  expect(renderJunit(given)).toMatch(counts);
  expect(renderJunit(given)).toContain(describeTime(time));
  expect(renderTerminal(given, { colour: false, width: 80 })).toContain(`\ntime: ${describeTime(time)}\n`);
});
