import { afterAll, beforeAll, expect, test } from "vitest";
import { readdirSync } from "node:fs";
import { Cnilab } from "./cnilab.ts";
import { hostState, labProcesses, namespacesInUse, processes, treeOf, until } from "./host-state.ts";
import type { HostState } from "./host-state.ts";

const KILLS = 50;
const seed = Number(process.env["CNILAB_SEED"] ?? Date.now() % 1_000_000);

/** mulberry32: the same moments and victims for the same seed, as far as the scheduler allows. */
function random(state: number): () => number {
  let at = state;
  return () => {
    at = (at + 0x6d2b79f5) | 0;
    let mixed = Math.imul(at ^ (at >>> 15), 1 | at);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

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
  const next = random(seed);
  const victims = new Map<string, number>();
  for (let kill = 0; kill < KILLS; kill++) {
    const command = cnilab.start("run", "labs/first-lab");
    const ended = new Promise((resolve) => command.once("exit", resolve));
    await new Promise((resolve) => setTimeout(resolve, next() * runMs));
    const tree = treeOf(command.pid ?? -1, processes());
    const victim = tree[Math.floor(next() * tree.length)];
    if (victim !== undefined) {
      const name = victim.commandLine.split(" ").find((word) => !word.startsWith("-")) ?? "?";
      victims.set(name, (victims.get(name) ?? 0) + 1);
      try {
        process.kill(victim.pid, "SIGKILL");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    }
    await ended;
    await until(
      () => labProcesses(cnilab.stateHome, namespaces).length === 0,
      10_000,
      () => `kill ${kill} (seed ${seed}): still there: ${JSON.stringify(labProcesses(cnilab.stateHome, namespaces))}`,
    );
    expect(hostState(), `kill ${kill} (seed ${seed})`).toEqual(before);
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
