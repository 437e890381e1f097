import type { Plan } from "../plan/types.ts";
import type { LabTest, StateGrade, TestedMutant, TestFinding } from "../report/test-types.ts";
import { isFullPass } from "./try-mutants.ts";

/** What is wrong with a lab's probes, tasks or solution, by what its states were graded; in the order in which to mend it. */
export function findingsOf(
  plan: Plan,
  { untouched, withoutBonus, solved, mutants }: Pick<LabTest, "untouched" | "withoutBonus" | "solved" | "mutants">,
): TestFinding[] {
  const place = (line = 1): Pick<TestFinding, "file" | "line"> => ({ file: plan.lab.file, line });
  const findings: TestFinding[] = [];
  const add = (code: TestFindingCode, message: string, hint: string, line?: number): void => {
    findings.push({ code, message, hint, ...place(line) });
  };
  const [task] = plan.tasks;
  const probeLine = (name: string | undefined): number | undefined =>
    plan.probes.find((probe) => probe.name === name)?.span?.line;
  if (untouched !== undefined && task === undefined && !isFullPass(untouched)) {
    const message = `the lab sets no task, and as it is it does not pass: ${gradeText(untouched)}`;
    add("TEST_UNTOUCHED_FAILS", message, "mend the scenario or the probe", probeLine(untouched.notPassed[0]));
  }
  if (untouched !== undefined && task !== undefined) {
    const line = task.span?.line;
    const earned = untouched.earned + (untouched.bonus?.earned ?? 0);
    if (earned > 0)
      add("TEST_UNTOUCHED_SCORES", `untouched it earns ${earned} points`, "nothing was done for them", line);
    else if (untouched.possible === 0 || untouched.verdict === "pass")
      add(
        "TEST_UNTOUCHED_SCORES",
        "untouched every probe of the tasks passes",
        "add a probe that only a solution passes",
        line,
      );
    else if (untouched.bonus?.possible === 0)
      add(
        "TEST_UNTOUCHED_SCORES",
        "untouched every probe that only bonus tasks name passes",
        "add a probe that only their solution passes",
        plan.tasks.find(({ isBonus }) => isBonus === true)?.span?.line,
      );
  }
  const unsolved = plan.tasks.find(({ solution }) => solution.length === 0);
  if (unsolved !== undefined && mutants.length === 0 && solved === undefined)
    add(
      "TEST_NO_SOLUTION",
      "the task has no reference solution, so its probes cannot be tested",
      "give it solution: FILE",
      unsolved.span?.line,
    );
  if (
    withoutBonus !== undefined &&
    (withoutBonus.verdict !== "pass" || withoutBonus.earned !== withoutBonus.possible)
  ) {
    const { bonus: _, ...required } = withoutBonus;
    add(
      "TEST_BONUS_NEEDED",
      `the required tasks' solutions alone do not score all required points: ${gradeText(required)}`,
      "give the bonus task what needs its solution, or take bonus away",
      plan.tasks.find(({ isBonus }) => isBonus === true)?.span?.line,
    );
  }
  if (solved !== undefined && !isFullPass(solved)) {
    const message = `the reference solution does not score all points: ${gradeText(solved)}`;
    add(
      "TEST_SOLUTION_FAILS",
      message,
      `cnilab run ${plan.lab.name} --solution shows why`,
      probeLine(solved.notPassed[0]),
    );
  }
  return [...findings, ...mutants.filter(({ status }) => status === "survived").map(survivor)];
}

type TestFindingCode =
  | "TEST_BONUS_NEEDED"
  | "TEST_UNTOUCHED_FAILS"
  | "TEST_UNTOUCHED_SCORES"
  | "TEST_NO_SOLUTION"
  | "TEST_SOLUTION_FAILS";

function survivor(mutant: TestedMutant): TestFinding {
  const { kind, name, what, file, line } = mutant;
  const message = `no probe notices it: ${kind} ${name}, ${what}`;
  return { code: "TEST_MUTANT_SURVIVED", message, hint: missingProbe(mutant), file, line };
}

/** The probe that would notice the mutant, for people. */
export function missingProbe({ kind, name, what, missing }: TestedMutant): string {
  if (missing === undefined) return `add a probe whose outcome depends on it: ${fieldProbe(kind, name, what)}`;
  const { from, to, port, protocol, expected, isServed } = missing;
  const probe = `missing probe: ${from} → ${to}:${port}/${protocol}, ${expected}`;
  return isServed ? probe : `${probe}; nothing serves ${port}/${protocol} there: give ${to} a server on a further port`;
}

/** What tells a field of a Service that is wrong, by what is said of the mutant. */
const serviceProbes: readonly (readonly [word: string, probe: string])[] = [
  ["sessionAffinity", "curl with requests: 30 and expect: { backends: { count: 1 } }"],
  ["externalTrafficPolicy", "from external to the node port of a node that runs none of its pods"],
  ["nodePort", "from external to that port of a node"],
  ["type", "from external to a node port"],
  ["clusterIP", "dns of the Service's name with the number of its records"],
  ["", "a connection to the Service on each of its ports"],
];

function fieldProbe(kind: string, name: string, what: string): string {
  if (kind !== "Service") return `what ${kind} ${name} is for`;
  const [, probe = ""] = serviceProbes.find(([word]) => what.includes(word)) ?? [];
  return probe;
}

function gradeText({ verdict, earned, possible, bonus, notPassed }: StateGrade): string {
  const onTop = bonus === undefined ? "" : ` and ${bonus.earned} of ${bonus.possible} bonus points`;
  const points = possible > 0 ? `${earned} of ${possible} points${onTop}` : verdict;
  const [first] = notPassed;
  const more = notPassed.length > 1 ? ` and ${notPassed.length - 1} more` : "";
  return first === undefined ? points : `${points}; "${first}"${more} did not pass`;
}
