import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cnis } from "../../src/cnis/registry.ts";
import type { Cni } from "../../src/cnis/types.ts";
import { missingKernelFeatures } from "../../src/providers/kernel-features.ts";
import { Cnilab, repository } from "./cnilab.ts";
import { hostState, labProcesses, namespacesInUse, processes } from "./host-state.ts";
import type { HostState } from "./host-state.ts";

interface ListedLab {
  name: string;
  tasks: number;
  /** Providers and CNI modes it runs on, and why not on the others. */
  runs: { provider: string; cni: string; mode: string; supported: boolean; reason?: string }[];
}

interface Report {
  earned: number;
  possible: number;
}

const cnilab = new Cnilab();
let before: HostState;
let namespaces: Set<string>;
const listed = JSON.parse((await cnilab.run("list", "-o", "json")).stdout) as ListedLab[];
/** Why this host's kernel cannot carry a mode, by CNI and mode: `npm run test:modes` runs those in a machine whose kernel can. */
const lacking = new Map<string, string>();
for (const { name, modes, dataplane } of Object.values<Cni>(cnis)) {
  for (const { name: mode } of modes) {
    const missing = await missingKernelFeatures(dataplane?.kernel?.({ mode, options: {} }) ?? []);
    if (missing.length > 0) lacking.set(`${name}:${mode}`, missing.join(", "));
  }
}
/** Every command here has a state folder of its own: a lab's runs are side by side. */
const commands: Cnilab[] = [];

beforeAll(() => {
  before = hostState();
  namespaces = namespacesInUse();
});

afterAll(async () => {
  for (const each of [cnilab, ...commands]) await each.remove();
});

/** Runs the lab to its end, of which no process is left. */
async function runLab(lab: string, mode: string, ...options: string[]): Promise<Report & { exitCode: number | null }> {
  const own = new Cnilab({ timeoutMs: 110_000 });
  commands.push(own);
  const run = await own.run("run", `labs/${lab}`, "--cni", mode, ...options, "-o", "json");
  expect(run.stdout, run.stderr).not.toBe("");
  expect(processes().filter(({ commandLine }) => commandLine.includes(own.stateHome))).toEqual([]);
  const { earned, possible } = JSON.parse(run.stdout) as Report;
  return { earned, possible, exitCode: run.exitCode };
}

test("every folder of labs/ is listed", () => {
  expect(listed.map(({ name }) => name).toSorted()).toEqual(readdirSync(join(repository, "labs")).toSorted());
});

test.runIf(lacking.size > 0).each([...lacking])(
  "%s is refused before anything is made: this kernel has no %s",
  async (mode, feature) => {
    const [cni = ""] = mode.split(":");
    const lab = listed.find(({ runs }) => runs.some((run) => run.supported && `${run.cni}:${run.mode}` === mode));
    const run = await cnilab.run("up", `labs/${lab?.name}`, "--cni", mode);
    expect(run.exitCode, run.stderr).toBe(5);
    expect(run.stderr).toContain(`HOST_KERNEL_FEATURE  this kernel has no ${feature}, which ${cni} in mode`);
    expect(hostState()).toEqual(before);
  },
);

describe.each(listed)("lab $name", (lab) => {
  const planned = lab.runs.filter((run) => run.provider === "netns" && run.supported);
  const supported = planned.filter(({ cni, mode }) => !lacking.has(`${cni}:${mode}`));
  const refused = lab.runs.filter((run) => run.provider === "netns" && !run.supported);

  test("runs somewhere, and here where it claims to", () => {
    const isElsewhere = refused.every(({ reason = "" }) => reason.includes("does not claim provider netns"));
    expect(lab.runs.some((run) => run.supported)).toBe(true);
    expect(supported.length > 0 || isElsewhere).toBe(true);
  });

  test.concurrent.each(supported)("passes when solved on $cni:$mode", async ({ cni, mode }) => {
    const solution = lab.tasks > 0 ? ["--solution"] : [];
    const { exitCode, earned, possible } = await runLab(lab.name, `${cni}:${mode}`, ...solution);
    expect([exitCode, earned]).toEqual([0, possible]);
  });

  // An unsolved lab fails for what its objects say, which no mode changes: one of each CNI shows it.
  const oneModeEach = supported.filter(({ cni }, index) => supported.findIndex((run) => run.cni === cni) === index);

  test.concurrent.each(lab.tasks > 0 ? oneModeEach : [])(
    "does not pass untouched on $cni:$mode, and scores 0",
    async ({ cni, mode }) => {
      const { exitCode, earned, possible } = await runLab(lab.name, `${cni}:${mode}`);
      expect([exitCode, earned]).toEqual([1, 0]);
      expect(possible).toBeGreaterThan(0);
    },
  );

  test.each(refused)("is refused with a reason on $cni:$mode", async ({ cni, mode, reason }) => {
    const run = await cnilab.run("plan", `labs/${lab.name}`, "--provider", "netns", "--cni", `${cni}:${mode}`);
    expect(run.exitCode).toBe(2);
    expect(reason).toBeTruthy();
    expect(run.stderr).toContain(reason);
  });
});

test("no process of all these labs is left in a namespace of theirs", () => {
  expect(labProcesses(cnilab.stateHome, namespaces)).toEqual([]);
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
