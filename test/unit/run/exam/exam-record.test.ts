import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { RunContext } from "../../../../src/run/context.ts";
import { mergeKubeconfigs } from "../../../../src/run/exam/exam-kubeconfig.ts";
import {
  examDirectory,
  examRecordVersion,
  knownExam,
  listExams,
  readExamRecord,
  removeExamDirectory,
  writeExamRecord,
  type ExamRecord,
} from "../../../../src/run/exam/exam-record.ts";
import { refuseInExam } from "../../../../src/run/exam/refuse-in-exam.ts";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "cnilab-exams-"));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

const at = "2026-01-01T10:00:00.000Z";

function examOf(more: Partial<ExamRecord> = {}): ExamRecord {
  return {
    schemaVersion: examRecordVersion,
    name: "mock",
    title: "A mock exam",
    id: "1",
    state: "running",
    limitMs: 60_000,
    passMark: 66,
    timing: { startedAt: at, latestAt: at },
    labs: [
      { name: "shop", title: "A shop", provider: "netns", weight: 1, tasks: [{ name: "task-1", text: "Do it." }] },
    ],
    ...more,
  };
}

test("a record is read as it was written, for its owner alone, and keeps the latest time seen", async () => {
  const later = new Date("2026-01-01T10:05:00.000Z");
  await writeExamRecord(root, examOf(), later);
  await writeExamRecord(root, readExamRecord(root, "mock") ?? examOf(), new Date(at));
  const latestAt = later.toISOString();
  expect(readExamRecord(root, "mock")).toEqual(examOf({ timing: { startedAt: at, latestAt } }));
  expect(statSync(join(examDirectory(root, "mock"), "exam.json")).mode & 0o777).toBe(0o600);
  removeExamDirectory(root, "mock");
  expect(existsSync(examDirectory(root, "mock"))).toBe(false);
  expect(readExamRecord(root, "mock")).toBeUndefined();
});

test.each([
  ["cut off", '{"schemaVersion":1'],
  ["of another release", JSON.stringify({ ...examOf(), schemaVersion: 2 })],
  ["of another exam", JSON.stringify(examOf({ name: "other" }))],
  [
    "with a lab that leads elsewhere",
    JSON.stringify(examOf({ labs: [{ ...examOf().labs[0], name: "../x" }] as never })),
  ],
])("a record that is %s is told", (_what, text) => {
  mkdirSync(examDirectory(root, "mock"), { recursive: true });
  writeFileSync(join(examDirectory(root, "mock"), "exam.json"), text);
  expect(() => readExamRecord(root, "mock")).toThrow(expect.objectContaining({ code: "EXAM_UNREADABLE" }) as Error);
});

test("the only exam need not be named; none, and one of several, is told", async () => {
  expect(() => knownExam(root, undefined)).toThrow(expect.objectContaining({ code: "EXAM_NOT_FOUND" }) as Error);
  await writeExamRecord(root, examOf(), new Date(at));
  expect(knownExam(root, undefined)).toBe("mock");
  expect(() => knownExam(root, "moc")).toThrow(expect.objectContaining({ code: "EXAM_NOT_FOUND" }) as Error);
  await writeExamRecord(root, examOf({ name: "second" }), new Date(at));
  expect(listExams(root)).toEqual(["mock", "second"]);
  expect(() => knownExam(root, undefined)).toThrow(expect.objectContaining({ code: "USAGE_WHICH_EXAM" }) as Error);
  expect(() => examDirectory(root, "../labs")).toThrow(expect.objectContaining({ code: "EXAM_NOT_FOUND" }) as Error);
});

test("a lab is closed to hints by its own exam alone, until that is finished", async () => {
  const context = { stateRoot: root } as RunContext;
  const refuse = (id: string) => () => refuseInExam({ lab: "shop", exam: { name: "mock", id } }, "hint", context);
  expect(refuse("1")).not.toThrow();
  await writeExamRecord(root, examOf({ state: "starting" }), new Date(at));
  expect(refuse("1")).toThrow(expect.objectContaining({ code: "EXAM_RUNNING" }) as Error);
  expect(refuse("2")).not.toThrow();
  expect(() => refuseInExam({ lab: "shop" }, "hint", context)).not.toThrow();
  await writeExamRecord(root, examOf({ state: "finished" }), new Date(at));
  expect(refuse("1")).not.toThrow();
});

test("one kubeconfig leads to all labs, each by its name", () => {
  const of = (server: string): string =>
    JSON.stringify({
      clusters: [{ name: "c", cluster: { server } }],
      users: [{ name: "u", user: { token: server } }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    });
  const merged = mergeKubeconfigs([
    { lab: "a", text: of("https://a") },
    { lab: "b", text: of("https://b") },
  ]);
  expect(JSON.parse(merged)).toEqual({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      { name: "a", cluster: { server: "https://a" } },
      { name: "b", cluster: { server: "https://b" } },
    ],
    users: [
      { name: "a", user: { token: "https://a" } },
      { name: "b", user: { token: "https://b" } },
    ],
    contexts: [
      { name: "a", context: { cluster: "a", user: "a" } },
      { name: "b", context: { cluster: "b", user: "b" } },
    ],
    "current-context": "a",
  });
});
