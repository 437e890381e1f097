import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { LabTests } from "../../src/report/test-types.ts";
import { Cnilab, repository } from "./cnilab.ts";
import { processes, until } from "./host-state.ts";

const cnilab = new Cnilab({ timeoutMs: 360_000 });
const SIDE_BY_SIDE = 4;
/** Tested beside the others: it waits for two minutes, for an autoscaler's periods. */
const SLOW = ["autoscaling"];
const weak = "test/fixtures/labs/missing-probe";

afterAll(() => cnilab.remove());

function expectNothingLeft(): void {
  expect(processes().filter(({ commandLine }) => commandLine.includes(cnilab.stateHome))).toEqual([]);
  expect(readdirSync(join(cnilab.stateHome, "cnilab/labs"))).toEqual([]);
}

test("the graders of all labs notice every mutant of their solutions", { timeout: 360_000 }, async () => {
  const names = readdirSync(join(repository, "labs"));
  // Mutants wait for deadlines most of the time: some labs are tested side by side.
  const others = names.filter((name) => !SLOW.includes(name));
  const ownOf = (share: number): string[] => others.filter((_name, index) => index % SIDE_BY_SIDE === share);
  const shares = await Promise.allSettled(
    [SLOW, ...Array.from({ length: SIDE_BY_SIDE }, (_, share) => ownOf(share))].map(async (own) => {
      const run = await cnilab.run("test", ...own.map((name) => `labs/${name}`), "-q", "-o", "json");
      expect(run.stdout, run.stderr).not.toBe("");
      const tests = JSON.parse(run.stdout) as LabTests;
      const found = tests.labs.flatMap(({ lab: { name }, findings }) =>
        findings.map((finding) => ({ name, ...finding })),
      );
      expect(found, run.stderr).toEqual([]);
      expect([run.exitCode, tests.verdict]).toEqual([0, "pass"]);
      return tests.labs;
    }),
  );
  // Only once all have ended: the next test counts what is left.
  expect(shares.flatMap((share) => (share.status === "rejected" ? [String(share.reason)] : []))).toEqual([]);
  const labs = shares.flatMap((share) => (share.status === "fulfilled" ? share.value : []));
  expect(labs.map(({ lab }) => lab.name).toSorted()).toEqual(names.toSorted());
  const claims = (name: string): boolean =>
    !readFileSync(join(repository, "labs", name, "lab.yaml"), "utf8").includes("providers: [kind]");
  for (const { lab, untouched, solved, mutants, counts, notRun } of labs) {
    if (!claims(lab.name)) {
      expect(notRun).toMatchObject({ code: "PLAN_PROVIDER_NOT_CLAIMED", isRefusal: true });
      continue;
    }
    expect(notRun, lab.name).toBeUndefined();
    expect(untouched?.earned, lab.name).toBe(0);
    if (!existsSync(join(repository, "labs", lab.name, "solution"))) continue;
    expect(solved?.earned, lab.name).toBe(solved?.possible);
    expect(counts.noticed, lab.name).toBeGreaterThan(0);
    for (const { status, why, noticedBy, what } of mutants) {
      if (status === "noticed") expect(noticedBy, what).not.toEqual([]);
      else expect(why, what).toBeTruthy();
    }
  }
  const tried = labs.flatMap(({ mutants }) => mutants).filter(({ status }) => status === "noticed");
  console.log(`${tried.length} mutants noticed`);
  expect(tried.length).toBeGreaterThan(60);
  expectNothingLeft();
});

test("a lab with a probe missing is told which, and at which line of its solution", async () => {
  const run = await cnilab.run("test", weak, "-o", "json");
  expect(run.exitCode, run.stderr).toBe(1);
  const { labs } = JSON.parse(run.stdout) as LabTests;
  expect(labs[0]).toMatchObject({ untouched: { earned: 0, possible: 5 }, solved: { earned: 5, possible: 5 } });
  const found = labs[0]?.findings.map(({ code, file, line, message, hint }) => [
    code,
    `${file}:${line}`,
    message.split(", ")[1],
    hint,
  ]);
  const survived = ["TEST_MUTANT_SURVIVED", `${weak}/solution.yaml`];
  expect(found).toEqual(
    [
      [10, "podSelector emptied: every pod of the namespace", "app/pod/web → app/pod/cache:80/tcp, blocked"],
      [11, "policyTypes with Egress", "app/pod/db → kube-system/deployment/coredns:53/udp, allowed"],
      [13, "ingress rule 1 without from: everyone", "app/pod/cache → app/pod/db:80/tcp, blocked"],
      [13, "ingress rule 1", "app/pod/cache → app/pod/db:80/tcp, blocked"],
    ].map(([line, what, probe]) => [survived[0], `${survived[1]}:${line}`, what, `missing probe: ${probe}`]),
  );
  expectNothingLeft();
  const table = await cnilab.run("test", weak, "-q");
  expect(table.stdout).toContain("✗ missing-probe  0/5        5/5");
});

test("an interrupt in the middle of the mutants leaves nothing", async () => {
  const command = await cnilab.startUntil("grade the reference solution", "test", "labs/default-deny");
  const ended = new Promise<number | null>((resolve) => command.once("exit", resolve));
  expect(readdirSync(join(cnilab.stateHome, "cnilab/labs"))).toEqual(["default-deny-test"]);
  command.kill("SIGINT");
  expect(await ended).toBe(130);
  expectNothingLeft();
});

test("an interrupt while a mutant has a cluster of its own leaves neither", async () => {
  const command = cnilab.start("test", "labs/service-environment");
  const ended = new Promise<number | null>((resolve) => command.once("exit", resolve));
  const labs = join(cnilab.stateHome, "cnilab/labs");
  await until(
    () => existsSync(labs) && readdirSync(labs).includes("service-environment-test-own"),
    30_000,
    () => "the mutant's cluster was never made",
  );
  command.kill("SIGINT");
  expect(await ended).toBe(130);
  expectNothingLeft();
});

test.each([
  [["no-such-lab"], 2, "LAB_NOT_FOUND"],
  [["labs/default-deny", "--provider", "nets"], 2, "PROVIDER_UNKNOWN"],
  [["labs/partition", "--provider", "kind"], 3, "PLAN_PROVIDER_NOT_CLAIMED"],
])("of %j exits with %i", async (args, exitCode, code) => {
  const run = await cnilab.run("test", ...args);
  expect(run.exitCode).toBe(exitCode);
  expect(run.stdout + run.stderr).toContain(code);
});
