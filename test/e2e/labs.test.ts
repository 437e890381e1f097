import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Cnilab, repository } from "./cnilab.ts";
import { hostState, labProcesses, namespacesInUse } from "./host-state.ts";
import type { HostState } from "./host-state.ts";

interface ListedLab {
  name: string;
  tasks: number;
  /** Providers and CNI modes it runs on, and why not on the others. */
  runs: { provider: string; cni: string; mode: string; supported: boolean; reason?: string }[];
}

const cnilab = new Cnilab();
let before: HostState;
let namespaces: Set<string>;
const listed = JSON.parse((await cnilab.run("list", "-o", "json")).stdout) as ListedLab[];

beforeAll(() => {
  before = hostState();
  namespaces = namespacesInUse();
});

afterAll(async () => {
  await cnilab.remove();
});

test("every folder of labs/ is listed", () => {
  expect(listed.map(({ name }) => name).toSorted()).toEqual(readdirSync(join(repository, "labs")).toSorted());
});

describe.each(listed)("lab $name", (lab) => {
  const supported = lab.runs.filter((run) => run.provider === "netns" && run.supported);
  const refused = lab.runs.filter((run) => run.provider === "netns" && !run.supported);

  test("runs somewhere, and here where it claims to", () => {
    const isElsewhere = refused.every(({ reason = "" }) => reason.includes("does not claim provider netns"));
    expect(lab.runs.some((run) => run.supported)).toBe(true);
    expect(supported.length > 0 || isElsewhere).toBe(true);
  });

  test.each(supported)("passes when solved on $cni:$mode", async ({ cni, mode }) => {
    const solution = lab.tasks > 0 ? ["--solution"] : [];
    const run = await cnilab.run("run", `labs/${lab.name}`, "--cni", `${cni}:${mode}`, ...solution, "-o", "json");
    expect(run.exitCode, run.stdout + run.stderr).toBe(0);
    const report = JSON.parse(run.stdout) as { earned: number; possible: number };
    expect(report.earned).toBe(report.possible);
    expect(labProcesses(cnilab.stateHome, namespaces)).toEqual([]);
  });

  test.each(lab.tasks > 0 ? supported : [])(
    "does not pass untouched on $cni:$mode, and scores 0",
    async ({ cni, mode }) => {
      const run = await cnilab.run("run", `labs/${lab.name}`, "--cni", `${cni}:${mode}`, "-o", "json");
      expect(run.exitCode, run.stdout + run.stderr).toBe(1);
      const report = JSON.parse(run.stdout) as { earned: number; possible: number };
      expect(report.earned).toBe(0);
      expect(report.possible).toBeGreaterThan(0);
    },
  );

  test.each(refused)("is refused with a reason on $cni:$mode", async ({ cni, mode, reason }) => {
    const run = await cnilab.run("plan", `labs/${lab.name}`, "--provider", "netns", "--cni", `${cni}:${mode}`);
    expect(run.exitCode).toBe(2);
    expect(reason).toBeTruthy();
    expect(run.stderr).toContain(reason);
  });
});

test("ten labs are up at once, each on its own, and go without a trace", { timeout: 120_000 }, async () => {
  const many = Array.from({ length: 10 }, () => new Cnilab());
  try {
    const ups = await Promise.all(many.map((one) => one.run("up", "labs/first-lab")));
    expect(ups.map(({ exitCode, stderr }) => `${exitCode} ${exitCode === 0 ? "" : stderr}`)).toEqual(
      many.map(() => "0 "),
    );
    const grades = await Promise.all(many.map((one) => one.run("grade", "first-lab")));
    expect(grades.map(({ exitCode }) => exitCode)).toEqual(many.map(() => 0));
    expect(hostState()).toEqual(before);
  } finally {
    await Promise.all(many.map((one) => one.run("down", "--all")));
    expect(many.flatMap((one) => labProcesses(one.stateHome, namespaces))).toEqual([]);
    for (const one of many) await one.remove();
  }
  expect(hostState()).toEqual(before);
});
