import { describe, expect, test } from "vitest";
import type { Plan } from "../../../src/plan/types.ts";
import type { StateGrade, TestedMutant } from "../../../src/report/test-types.ts";
import { findingsOf, missingProbe } from "../../../src/run/test-findings.ts";
import { manifest, planOf, task } from "./reference-plan.ts";

const solution = manifest("s.yaml", "{ kind: NetworkPolicy, metadata: { name: a } }");
const span = { file: "lab.yaml", line: 30, column: 1, length: 1, lineText: "" };
const plan: Plan = {
  ...planOf([], [{ ...task(solution), span }]),
  probes: [{ name: "it works", kind: "tcp", options: {}, expect: "allowed", span: { ...span, line: 12 } }],
};
const withoutTasks: Plan = { ...plan, tasks: [] };
const grade = (more: Partial<StateGrade>): StateGrade => ({
  verdict: "pass",
  earned: 0,
  possible: 10,
  notPassed: [],
  durationMs: 1,
  ...more,
});
const untouched = grade({ verdict: "fail", notPassed: ["it works"] });
const solved = grade({ earned: 10 });

const mutant: TestedMutant = {
  change: "loosened",
  what: "ingress rule 1 without from: everyone",
  kind: "NetworkPolicy",
  name: "shop/db",
  file: "s.yaml",
  line: 7,
  status: "survived",
  noticedBy: [],
  durationMs: 1,
};

describe("findings of a lab's test", () => {
  const found = (of: Plan, graded: Partial<Parameters<typeof findingsOf>[1]>): string[] =>
    findingsOf(of, { mutants: [], ...graded }).map(({ code, file, line }) => `${file}:${line} ${code}`);

  test("are none of a lab that scores as it should", () => {
    const noticed = (["noticed", "equivalent", "refused"] as const).map((status) => ({ ...mutant, status }));
    expect(found(plan, { untouched, solved, mutants: noticed })).toEqual([]);
    expect(found(withoutTasks, { untouched: grade({ possible: 0 }) })).toEqual([]);
    const [none, all] = [{ bonus: { earned: 0, possible: 2 } }, { bonus: { earned: 2, possible: 2 } }];
    const withoutBonus = grade({ earned: 10, ...none, notPassed: ["more"] });
    expect(found(plan, { untouched: { ...untouched, ...none }, withoutBonus, solved: { ...solved, ...all } })).toEqual(
      [],
    );
  });

  test.each([
    [
      "untouched it earns points",
      plan,
      { untouched: grade({ verdict: "fail", earned: 1 }), solved },
      "30 TEST_UNTOUCHED_SCORES",
    ],
    ["nothing is to be earned", plan, { untouched: grade({ possible: 0 }), solved }, "30 TEST_UNTOUCHED_SCORES"],
    [
      "its bonus is earned untouched",
      plan,
      { untouched: grade({ verdict: "fail", bonus: { earned: 1, possible: 2 } }), solved },
      "30 TEST_UNTOUCHED_SCORES",
    ],
    [
      "nothing is to be earned by its bonus",
      { ...plan, tasks: [...plan.tasks, { ...task(solution), isBonus: true, span: { ...span, line: 40 } }] },
      { untouched: { ...untouched, bonus: { earned: 0, possible: 0 } }, solved },
      "40 TEST_UNTOUCHED_SCORES",
    ],
    [
      "something required needs the bonus",
      { ...plan, tasks: [...plan.tasks, { ...task(solution), isBonus: true, span: { ...span, line: 40 } }] },
      {
        untouched,
        withoutBonus: grade({ verdict: "inconclusive", earned: 10, bonus: { earned: 0, possible: 2 } }),
        solved,
      },
      "40 TEST_BONUS_NEEDED",
    ],
    [
      "its solution lacks a bonus point",
      plan,
      { untouched, solved: grade({ earned: 10, bonus: { earned: 1, possible: 2 } }) },
      "1 TEST_SOLUTION_FAILS",
    ],
    ["it has no task and does not pass", withoutTasks, { untouched }, "12 TEST_UNTOUCHED_FAILS"],
    [
      "it has no task and cannot be told",
      withoutTasks,
      { untouched: grade({ verdict: "inconclusive", possible: 0 }) },
      "1 TEST_UNTOUCHED_FAILS",
    ],
    ["its task has no solution", { ...plan, tasks: [{ ...task([]), span }] }, { untouched }, "30 TEST_NO_SOLUTION"],
    [
      "its solution leaves a point",
      plan,
      { untouched, solved: grade({ earned: 9, notPassed: ["it works"] }) },
      "12 TEST_SOLUTION_FAILS",
    ],
  ] satisfies [string, Plan, Partial<Parameters<typeof findingsOf>[1]>, string][])(
    "tell that %s",
    (_what, of, graded, expected) => {
      expect(found(of, graded)).toEqual([`lab.yaml:${expected}`]);
    },
  );

  test("name the line of a mutant that survived and the probe that is missing", () => {
    const missing = {
      from: "shop/web",
      to: "shop/db",
      port: 5432,
      protocol: "tcp",
      expected: "blocked",
      isServed: true,
    } as const;
    const [finding] = findingsOf(plan, { untouched, solved, mutants: [{ ...mutant, missing }] });
    expect(finding).toEqual({
      code: "TEST_MUTANT_SURVIVED",
      message: "no probe notices it: NetworkPolicy shop/db, ingress rule 1 without from: everyone",
      hint: "missing probe: shop/web → shop/db:5432/tcp, blocked",
      file: "s.yaml",
      line: 7,
    });
    expect(missingProbe({ ...mutant, missing: { ...missing, isServed: false } })).toContain("give shop/db a server");
    expect(missingProbe({ ...mutant, kind: "Service", what: "sessionAffinity left out" })).toContain("count: 1");
    expect(missingProbe({ ...mutant, kind: "Service", what: "port 80 changed to 81" })).toContain("each of its ports");
  });
});
