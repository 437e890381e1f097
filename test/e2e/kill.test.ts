import { afterAll, beforeAll, expect, test } from "vitest";
import { readdirSync } from "node:fs";
import { seededRandom } from "../../src/engine/seeded-random.ts";
import { Cnilab } from "./cnilab.ts";
import { hostState, labProcesses, namespacesInUse, until } from "./host-state.ts";
import type { HostState } from "./host-state.ts";
import { killAtRandom } from "./random-kill.ts";

const KILLS = 50;
const seed = Number(process.env["CNILAB_SEED"] ?? Date.now() % 1_000_000);

let cnilab: Cnilab;
let before: HostState;
let namespaces: Set<string>;
let runMs: number;

beforeAll(async () => {
  cnilab = new Cnilab();
  before = hostState();
  namespaces = namespacesInUse();
  const startedAt = performance.now();
  const { exitCode, stderr } = await cnilab.run("run", "labs/first-lab");
  expect(exitCode, stderr).toBe(0);
  runMs = performance.now() - startedAt;
});

afterAll(() => cnilab.remove());

test(`${KILLS} random SIGKILLs leave nothing on the host (CNILAB_SEED=${seed})`, { timeout: 300_000 }, async () => {
  console.log(`CNILAB_SEED=${seed}, a run takes ${Math.round(runMs)} ms`);
  // The same moments and victims for the same seed, as far as the scheduler allows.
  const random = seededRandom(seed);
  const victims = new Map<string, number>();
  for (let kill = 0; kill < KILLS; kill++) {
    const what = `kill ${kill} (seed ${seed})`;
    const victim = await killAtRandom(cnilab, ["run", "labs/first-lab"], { random, runMs, namespaces, what });
    if (victim !== undefined) victims.set(victim, (victims.get(victim) ?? 0) + 1);
    expect(hostState(), what).toEqual(before);
  }
  console.log("victims:", Object.fromEntries(victims));

  const status = await cnilab.run("status", "-o", "json");
  expect(status.exitCode, status.stderr).toBe(0);
  const again = await cnilab.run("up", "labs/first-lab");
  expect(again.exitCode, again.stderr).toBe(0);
  const down = await cnilab.run("down", "first-lab");
  expect(down.exitCode, down.stderr).toBe(0);
  expect(labProcesses(cnilab.stateHome, namespaces)).toEqual([]);
  expect(readdirSync(`${cnilab.stateHome}/cnilab/labs`)).toEqual([]);
  expect(hostState()).toEqual(before);
});

test("a lab that is up dies with any of its processes, and status and down cope", { timeout: 120_000 }, async () => {
  for (const which of ["unshare", "main.js"]) {
    const up = await cnilab.run("up", "labs/first-lab");
    expect(up.exitCode, up.stderr).toBe(0);
    const victim = labProcesses(cnilab.stateHome, namespaces).find(({ commandLine }) =>
      commandLine.startsWith(which === "unshare" ? "unshare" : process.execPath),
    );
    if (victim === undefined)
      throw new Error(`no ${which} among ${JSON.stringify(labProcesses(cnilab.stateHome, namespaces))}`);
    process.kill(victim.pid, "SIGKILL");
    await until(
      () => labProcesses(cnilab.stateHome, namespaces).length === 0,
      10_000,
      () => `after the death of ${which}: ${JSON.stringify(labProcesses(cnilab.stateHome, namespaces))}`,
    );
    expect(hostState()).toEqual(before);
    const probe = await cnilab.run("grade", "first-lab");
    expect(probe.exitCode).not.toBe(0);
    expect(probe.stderr).toContain("not running");
    const status = await cnilab.run("status", "-o", "json");
    expect(status.stdout).toContain("first-lab");
    const down = await cnilab.run("down", "first-lab");
    expect(down.exitCode, down.stderr).toBe(0);
    expect(readdirSync(`${cnilab.stateHome}/cnilab/labs`)).toEqual([]);
  }
});
