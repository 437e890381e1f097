import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { netns } from "../../src/providers/netns/provider.ts";
import type { ExamReport } from "../../src/report/exam-types.ts";
import type { ExamStatus } from "../../src/run/exam/exam-status.ts";
import { repository, type Finished } from "./cnilab.ts";
import { KubectlLab } from "./kubectl.ts";

const tasks = "test/fixtures/labs/tasks";
const database = join(repository, tasks, "database.yaml");
let lab: KubectlLab;

beforeEach(() => {
  lab = new KubectlLab();
});

afterEach(() => lab.cnilab.remove());

async function start(...args: string[]): Promise<void> {
  const { exitCode, stderr } = await lab.cnilab.run("exam", "start", ...args);
  expect(exitCode, stderr).toBe(0);
  lab.kubeconfig = (await lab.cnilab.run("exam", "kubeconfig", "--path")).stdout.trim();
}

async function status(): Promise<ExamStatus | undefined> {
  const { stdout } = await lab.cnilab.run("exam", "status", "-o", "json");
  return (JSON.parse(stdout) as ExamStatus[])[0];
}

async function finish(...args: string[]): Promise<{ exitCode: number | null; report: ExamReport }> {
  const { exitCode, stdout, stderr } = await lab.cnilab.run("exam", "finish", "-o", "json", ...args);
  expect(stdout, stderr).not.toBe("");
  return { exitCode, report: JSON.parse(stdout) as ExamReport };
}

function refusal({ exitCode, stderr }: Finished): [number | null, string | undefined] {
  return [exitCode, /^[A-Z_]+/m.exec(stderr)?.[0]];
}

test("one lab solved with kubectl and one left gives half of the score, and tells nothing before the end", async () => {
  await start(tasks, "default-deny", "--pass-mark", "40");
  for (const verb of ["hint", "grade", "probe", "watch", "reset"]) {
    expect(refusal(await lab.cnilab.run(verb, "tasks")), verb).toEqual([2, "EXAM_RUNNING"]);
  }
  // Of an exam of which one lab cannot be made, nothing is left.
  const second = await lab.cnilab.run("exam", "start", "nodeport", tasks, "--name", "second");
  expect(refusal(second)).toEqual([2, "LAB_ALREADY_UP"]);
  expect((await lab.cnilab.run("status")).stdout).not.toContain("nodeport");

  await lab.told("--context", "tasks", "apply", "-f", database);
  const running = await status();
  expect(running?.name).toBe("exam");
  expect(running).toMatchObject({ state: "running", labs: [{ name: "tasks", isUp: true }, { name: "default-deny" }] });
  expect(running?.time?.leftMs).toBeLessThan(7_200_000);
  expect(JSON.stringify(running)).not.toMatch(/verdict|earned|score/);

  const junit = join(lab.cnilab.stateHome, "exam.xml");
  const { exitCode, report } = await finish("--reporter", `junit=${junit}`);
  expect([exitCode, report.verdict, report.score]).toEqual([0, "pass", 50]);
  expect(report.labs.map(({ lab: name, score, verdict }) => [name, score, verdict])).toEqual([
    ["tasks", 100, "pass"],
    ["default-deny", 0, "fail"],
  ]);
  expect(report.labs[1]?.tasks[0]).toMatchObject({ verdict: "fail", feedback: { observed: { outcome: "allowed" } } });
  expect(readFileSync(junit, "utf8")).toContain('<testcase classname="exam.exam" name="pass mark">');

  // What is finished is finished; the labs are there to learn from.
  expect((await lab.cnilab.run("hint", "tasks")).stdout).toContain("hint 1 of 2");
  await lab.told("--context", "default-deny", "create", "configmap", "later");
  expect((await finish()).report).toEqual(report);

  expect((await lab.cnilab.run("exam", "down")).stdout).toBe("tasks removed\ndefault-deny removed\nexam removed\n");
  expect(await status()).toBeUndefined();
});

test("what is changed after the deadline does not count, by whatever way", async () => {
  await start(tasks, "--time", "10m");
  const inPod = lab.run(["exec", "-n", "app", "web", "--", "sleep", "600"]);
  const terminal = lab.cnilab.start("exec", "-it", "tasks", "node/worker1", "--", "sleep", "600");
  const terminalEnded = new Promise((resolve) => terminal.once("exit", resolve));
  const cluster = await netns.attach({}, join(lab.cnilab.stateHome, "cnilab/labs/tasks"));
  const ongoing = async (): Promise<string[]> => {
    const { signal } = new AbortController();
    return (await cluster.changes?.(undefined, { isPatient: false, signal }))?.ongoing.toSorted() ?? [];
  };
  await expect.poll(ongoing, { timeout: 20_000 }).toEqual(["a command in app/web", "a terminal in node/worker1"]);
  const byHand = cluster.exec({ kind: "node", name: "worker1" }, ["sleep", "600"], {
    timeoutMs: 600_000,
    isByHand: true,
  });
  const refused = byHand.then(
    () => "it ended",
    (error: unknown) => error,
  );
  expect((await status())?.time?.leftMs).toBeGreaterThan(300_000);
  // Brought forward: the test does not wait for ten minutes.
  await cluster.deadline?.(200);
  expect(await refused).toMatchObject({ code: "LAB_CLOSED" });
  await terminalEnded;
  expect((await inPod).exitCode).toBe(137);
  expect((await status())?.time?.leftMs).toBe(0);
  await cluster.close();

  const { exitCode, stderr } = await lab.run(["apply", "-f", database]);
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining("(Forbidden)")]);
  expect(stderr).toContain("the time is over: this lab takes no more changes");
  expect(refusal(await lab.cnilab.run("apply", "tasks", "-f", database))).toEqual([2, "LAB_CLOSED"]);
  expect((await lab.run(["exec", "-n", "app", "web", "--", "true"])).stderr).toContain("the time is over");
  await lab.told("get", "pods", "-A");

  const graded = await finish();
  expect([graded.exitCode, graded.report.verdict, graded.report.score]).toEqual([1, "fail", 0]);
  expect(graded.report.usedMs).toBe(600_000);
});

test("an exam whose making is killed leaves nothing", async () => {
  const making = await lab.cnilab.startUntil("apply the scenario", "exam", "start", "default-deny");
  const ended = new Promise((resolve) => making.once("exit", resolve));
  making.kill("SIGKILL");
  await ended;
  expect(refusal(await lab.cnilab.run("exam", "finish"))).toEqual([2, "EXAM_NOT_STARTED"]);
  expect((await lab.cnilab.run("exam", "down")).stdout).toBe("default-deny removed\nexam removed\n");
  expect((await lab.cnilab.run("status")).stdout).not.toContain("default-deny");
});
