import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { LabProblems } from "../../../../src/core/errors.ts";
import type { RunContext } from "../../../../src/run/context.ts";
import { planExam, readExam } from "../../../../src/run/exam/read-exam.ts";

const folder = mkdtempSync(join(tmpdir(), "cnilab-read-exam-"));
const context = { emit: () => undefined } as unknown as RunContext;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the exam that comes along is found by its name, and can be made", async () => {
  const exam = await readExam({ labs: ["cka-networking"] });
  expect(exam).toMatchObject({ name: "cka-networking", limitMs: 3_600_000, passMark: 66 });
  const planned = await planExam(exam, undefined, context);
  expect(planned.map(({ plan }) => plan.lab.name)).toEqual(exam.labs.map(({ lab }) => lab));
  expect(planned.map(({ plan }) => plan.provider)).toEqual(exam.labs.map(() => "netns"));
});

test("labs make an exam, and the command line may say more; a lab's own time limit goes", async () => {
  const exam = await readExam({ labs: ["egress-dns"], name: "mine", limitMs: 60_000, passMark: 80 });
  expect(exam).toMatchObject({ name: "mine", limitMs: 60_000, passMark: 80, labs: [{ lab: "egress-dns", weight: 1 }] });
  const [planned] = await planExam(exam, "kind", context);
  expect([planned?.plan.provider, planned?.plan.timeLimit]).toEqual(["kind", undefined]);
  const named = readExam({ labs: ["egress-dns"], name: "My exam" });
  await expect(named).rejects.toMatchObject({ code: "USAGE_EXAM_NAME" });
});

test("what is wrong with its labs is told at once, at their places", async () => {
  const file = join(folder, "exam.yaml");
  const head =
    "apiVersion: cnilab.dev/v1alpha1\nkind: Exam\nmetadata: { name: mock, title: A mock exam }\ntimeLimit: 1h\n";
  writeFileSync(file, `${head}labs:\n  - default-deny\n  - defalt-deny\n  - flat-network\n  - { lab: default-deny }\n`);
  const error: unknown = await planExam(await readExam({ labs: [file] }), undefined, context).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(LabProblems);
  const { problems } = error as LabProblems;
  expect(problems.map(({ code, span }) => [code, span?.line, span?.column])).toEqual([
    ["EXAM_UNKNOWN_LAB", 7, 5],
    ["EXAM_LAB_WITHOUT_TASKS", 8, 5],
    ["EXAM_LAB_TWICE", 9, 12],
  ]);
  expect(problems[0]?.hint).toContain("did you mean default-deny?");
});
