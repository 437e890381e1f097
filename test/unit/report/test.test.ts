import { expect, test } from "vitest";
import { exitCodeOfLabTests } from "../../../src/cli/verbs/test.ts";
import type { LabTest, LabTests } from "../../../src/report/test-types.ts";
import { renderLabTests } from "../../../src/report/test.ts";

const grade = { notPassed: [], durationMs: 100 };
const counts = { noticed: 0, survived: 0, equivalent: 0, refused: 0 };
const passed: LabTest = {
  lab: { name: "default-deny", title: "Deny", file: "labs/default-deny/lab.yaml" },
  provider: "netns",
  cni: "calico:vxlan",
  verdict: "pass",
  untouched: { ...grade, verdict: "fail", earned: 0, possible: 10 },
  solved: { ...grade, verdict: "pass", earned: 10, possible: 10 },
  mutants: [
    {
      change: "loosened",
      what: "namespaceSelector: {} added",
      kind: "NetworkPolicy",
      name: "shop/db",
      file: "s.yaml",
      line: 4,
      status: "equivalent",
      why: "no verdict changes",
      noticedBy: [],
      durationMs: 0,
    },
  ],
  counts: { ...counts, equivalent: 1 },
  findings: [],
  durationMs: 2100,
};
const weak: LabTest = {
  ...passed,
  lab: { name: "we\u001bak", title: "Weak", file: "weak.yaml" },
  verdict: "fail",
  mutants: passed.mutants.map((mutant) => ({ ...mutant, status: "survived" })),
  counts: { ...counts, survived: 1 },
  findings: [
    {
      code: "TEST_MUTANT_SURVIVED",
      message: "no probe notices it",
      hint: "missing probe: a → b",
      file: "s.yaml",
      line: 4,
    },
  ],
};
const notRun = (code: string, isRefusal: boolean): LabTest => ({
  lab: { name: "dual-stack", title: "Dual", file: "d.yaml" },
  provider: "netns",
  cni: "calico",
  verdict: "inconclusive",
  mutants: [],
  counts,
  findings: [],
  notRun: { code, message: "it does not claim netns", isRefusal },
  durationMs: 0,
});

const tests = (verdict: LabTests["verdict"], labs: LabTest[]): LabTests => ({
  apiVersion: "cnilab.dev/v1alpha1",
  kind: "LabTests",
  verdict,
  labs,
  durationMs: 2500,
});

test("a table, what is wrong with its place, and a line that sums up", () => {
  const text = renderLabTests(tests("fail", [passed, weak, notRun("PLAN_PROVIDER", true)]), { colour: false });
  expect(text).toBe(`  LAB           UNTOUCHED  SOLVED  MUTANTS  NOTICED  SURVIVED  EQUIVALENT  TIME
✓ default-deny  0/10       10/10   1        0        0         1           2.10 s
✗ we\\x1bak      0/10       10/10   1        0        1         0           2.10 s
- dual-stack    not run

default-deny
  = s.yaml:4  NetworkPolicy shop/db, namespaceSelector: {} added: no verdict changes

we\\x1bak
  ✗ s.yaml:4  TEST_MUTANT_SURVIVED  no probe notices it
    hint: missing probe: a → b

dual-stack
  PLAN_PROVIDER it does not claim netns

failed: 2 of 3 labs tested, 0 mutants noticed, 1 survived, 1 equivalent, in 2.50 s
`);
});

test.each([
  ["pass", [passed], 0],
  ["pass", [passed, notRun("PLAN_PROVIDER", true)], 0],
  ["fail", [weak, notRun("WAIT_TIMEOUT", false)], 1],
  ["inconclusive", [passed, notRun("WAIT_TIMEOUT", false)], 4],
  ["inconclusive", [notRun("HOST_NO_DOCKER", false)], 5],
  ["inconclusive", [notRun("PLAN_PROVIDER", true)], 3],
] as const)("%s is told by the exit code (%#)", (verdict, labs, exitCode) => {
  expect(exitCodeOfLabTests(tests(verdict, [...labs]))).toBe(exitCode);
});
