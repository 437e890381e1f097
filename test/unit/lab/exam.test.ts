import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { LabProblems } from "../../../src/core/errors.ts";
import { formatProblem } from "../../../src/core/format-error.ts";
import { loadExam } from "../../../src/lab/exam.ts";

const folder = mkdtempSync(join(tmpdir(), "cnilab-exam-"));
const file = join(folder, "exam.yaml");
const registries = { providers: ["netns", "kind", "existing"] };

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const head = "apiVersion: cnilab.dev/v1alpha1\nkind: Exam\nmetadata: { name: mock, title: A mock exam }\n";

async function problemsOf(text: string): Promise<string[]> {
  writeFileSync(file, text);
  const error: unknown = await loadExam(file, registries).catch((thrown: unknown) => thrown);
  if (!(error instanceof LabProblems)) throw error;
  return error.problems.map((problem) => (formatProblem(problem).split("\n")[0] ?? "").replace(`${folder}/`, ""));
}

test("an exam has a time, a pass mark, and labs with weights; paths are beside it", async () => {
  writeFileSync(
    file,
    `${head}timeLimit: 90m\nlabs:\n  - default-deny\n  - { lab: ./mine, weight: 2.5, provider: existing, kubeconfig: a.yaml, context: a, cni: "flannel:host-gw" }\n`,
  );
  expect(await loadExam(file, registries)).toMatchObject({
    name: "mock",
    title: "A mock exam",
    limitMs: 5_400_000,
    passMark: 66,
    labs: [
      { lab: "default-deny", weight: 1, path: join(folder, "default-deny"), span: { line: 6, column: 5 } },
      {
        path: join(folder, "mine"),
        weight: 2.5,
        provider: "existing",
        kubeconfig: join(folder, "a.yaml"),
        context: "a",
        cni: { name: "flannel", mode: "host-gw" },
        span: { line: 7, column: 12 },
      },
    ],
  });
});

test("everything wrong is told at once, with its place", async () => {
  const text = `${head}timeLimit: 30\npassmark: 50\nlabs:\n  - { lab: a, wieght: 2 }\n  - { lab: b, weight: 0, provider: kindd }\n`;
  expect(await problemsOf(text)).toEqual([
    "exam.yaml:4:12  LAB_BAD_DURATION  duration 30 has no unit",
    'exam.yaml:5:1  LAB_UNKNOWN_FIELD  unknown field "passmark"',
    'exam.yaml:7:15  LAB_UNKNOWN_FIELD  unknown field "wieght" in labs[0]',
    "exam.yaml:8:23  LAB_BAD_VALUE  labs[1].weight must be at least 0.01, not 0",
    'exam.yaml:8:36  LAB_BAD_VALUE  labs[1].provider cannot be "kindd"',
  ]);
});

test("what is missing, and what is no exam, is told", async () => {
  expect(await problemsOf("kind: Lab\n")).toContainEqual('exam.yaml:1:7  LAB_BAD_VALUE  kind cannot be "Lab"');
  expect(await problemsOf(`${head}timeLimit: 1h\nlabs: []\n`)).toHaveLength(1);
  expect(await problemsOf("")).toEqual([`YAML_EMPTY  ${file} is empty`.replace(`${folder}/`, "")]);
  expect(await problemsOf("- a\n")).toEqual(["exam.yaml:1:1  YAML_NOT_A_MAP  an exam must be a map, not a list"]);
});
