import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import pLimit from "p-limit";
import { seededRandom } from "../src/engine/seeded-random.ts";
import { Cnilab, repository, type Finished } from "../test/e2e/cnilab.ts";
import { hostState, labProcesses, namespacesInUse, until } from "../test/e2e/host-state.ts";
import { killAtRandom } from "../test/e2e/random-kill.ts";
import { line } from "./bench-figures.ts";

/*
 * `npm run soak -- [MINUTES [KILLS [LABS]]]`: labs up at once, SIGKILLs at random moments, then labs made, solved, graded and
 * taken down until the minutes are over, while one lab stays up and is graded again and again. At the end the host must be
 * what it was, and the lab that stayed must need no more than at its beginning. CNILAB_SEED repeats the kills.
 * Nothing else may make containers, links or labs on the host meanwhile: they would be counted.
 */
const [minutes = 30, kills = 200, together = 20] = process.argv.slice(2).map(Number);
const seed = Number(process.env["CNILAB_SEED"] ?? Date.now() % 1_000_000);
const deadline = performance.now() + minutes * 60_000;
/** What other programs of the host open and close meanwhile. */
const NOISE = { sockets: 40, files: 600, namespaces: 2 };
/** How long the kernel may take to free what nobody uses any more: namespaces go in a queue of its own. */
const FREED_WITHIN_MS = 60_000;
/** Grades after which a lab process has all that it keeps: compiled code, connections, memory that is not given back. */
const WARM_UP = 10;

type Row = [what: string, before: string | number, after: string | number, isRight: boolean];

/** Figures of the host that a lab must leave as they were; those of the kernel's tables where they may be read. */
function hostFigures(): { sockets: number; files: number; namespaces: number | undefined } {
  const figure = (file: string, pattern: RegExp): number | undefined => {
    try {
      return Number(pattern.exec(readFileSync(file, "utf8"))?.[1]);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EACCES") return undefined;
      throw error;
    }
  };
  return {
    sockets: figure("/proc/net/sockstat", /^sockets: used (\d+)/) ?? Number.NaN,
    files: figure("/proc/sys/fs/file-nr", /^(\d+)/) ?? Number.NaN,
    // Also those that no process is in: a descriptor or a mount keeps them.
    namespaces: existsSync("/proc/slabinfo") ? figure("/proc/slabinfo", /^net_namespace\s+(\d+)/m) : undefined,
  };
}

interface LabFigures {
  memoryMiB: number;
  descriptors: number;
  sockets: number;
}

function labFigures(pid: number): LabFigures {
  const kib = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  const targets = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch (error) {
      // Closed while they were counted.
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  });
  return {
    memoryMiB: Math.round(kib / 1024),
    descriptors: targets.length,
    sockets: targets.filter((target) => target.startsWith("socket:")).length,
  };
}

async function expectExit(running: Promise<Finished>, what: string, allowed: readonly number[] = [0]): Promise<void> {
  const { exitCode, stdout, stderr } = await running;
  if (exitCode === null || !allowed.includes(exitCode))
    throw new Error(`${what}: exit ${exitCode}\n${stdout.slice(-2000)}${stderr.slice(-2000)}`);
}

/** All at once, each with a name of its own. */
async function manyTogether(cnilab: Cnilab): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "cnilab-soak-"));
  const names = Array.from({ length: together }, (_, index) => `soak-${index}`);
  for (const name of names) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, "lab.yaml"), labText(name));
    writeFileSync(join(folder, name, "pods.yaml"), POD);
  }
  // As many commands at a time as would be typed, and all labs up when the last has ended.
  const limit = pLimit(4);
  const each = (args: (name: string) => string[]): Promise<void[]> =>
    Promise.all(names.map((name) => limit(() => expectExit(cnilab.run(...args(name)), args(name).join(" ")))));
  await each((name) => ["up", join(folder, name)]);
  await each((name) => ["grade", name]);
  await each((name) => ["down", name]);
  rmSync(folder, { recursive: true });
}

const POD = `apiVersion: v1
kind: Pod
metadata: { name: web, namespace: default }
spec: { containers: [{ name: c, image: registry.k8s.io/e2e-test-images/agnhost:2.53, args: [netexec] }] }
`;

function labText(name: string): string {
  return JSON.stringify({
    apiVersion: "cnilab.dev/v1alpha1",
    kind: "Lab",
    metadata: { name, title: name },
    topology: "one-node",
    cni: "calico",
    scenario: [
      { apply: "pods.yaml" },
      { wait: { for: "pod/web", namespace: "default", condition: "ready", timeout: "60s" } },
    ],
    probes: [{ from: "node/control-plane", tcp: { to: "default/pod/web", port: 8080 }, expect: "allowed" }],
  });
}

/** Labs that this provider runs, with what solves them. */
async function labsHere(cnilab: Cnilab): Promise<{ name: string; solution: string[] }[]> {
  const found = [];
  for (const name of readdirSync(join(repository, "labs"))) {
    const { exitCode } = await cnilab.run("plan", `labs/${name}`, "--provider", "netns");
    if (exitCode !== 0) continue;
    const folder = join(repository, "labs", name, "solution");
    const files = existsSync(folder) ? readdirSync(folder).map((file) => join(folder, file)) : [];
    found.push({ name, solution: files.flatMap((file) => ["-f", file]) });
  }
  return found;
}

async function cycle(cnilab: Cnilab, { name, solution }: { name: string; solution: string[] }): Promise<void> {
  await expectExit(cnilab.run("up", `labs/${name}`, "--provider", "netns"), `up ${name}`);
  if (solution.length > 0) {
    await expectExit(cnilab.run("grade", name), `grade ${name}, unsolved`, [0, 1]);
    await expectExit(cnilab.run("apply", name, ...solution), `apply ${name}`);
  }
  await expectExit(cnilab.run("grade", name), `grade ${name}`, solution.length > 0 ? [0, 1] : [0]);
  await expectExit(cnilab.run("down", name), `down ${name}`);
}

const limits = { timeoutMs: 180_000 };
const cnilab = new Cnilab(limits);
const lasting = new Cnilab(limits);
const rows: Row[] = [];
try {
  const hostBefore = hostState();
  const figuresBefore = hostFigures();
  const namespacesBefore = namespacesInUse();

  await expectExit(lasting.run("up", "labs/first-lab"), "up first-lab");
  const pid = labProcesses(lasting.stateHome, namespacesBefore).find(({ commandLine }) =>
    commandLine.startsWith(process.execPath),
  )?.pid;
  if (pid === undefined) throw new Error("the lab that stays up has no process");
  let grades = 0;
  const regrade = async (): Promise<void> => {
    await expectExit(lasting.run("grade", "first-lab"), `grade ${++grades} of the lab that stays up`);
  };
  while (grades < WARM_UP) await regrade();
  const lastingBefore = labFigures(pid);
  const withLasting = namespacesInUse();

  await manyTogether(cnilab);
  line(`${together} labs were up at once, graded and taken down`);

  const startedAt = performance.now();
  await expectExit(cnilab.run("run", "labs/first-lab"), "run first-lab");
  const runMs = performance.now() - startedAt;
  const random = seededRandom(seed);
  for (let kill = 0; kill < kills; kill++) {
    const what = `kill ${kill} (CNILAB_SEED=${seed})`;
    await killAtRandom(cnilab, ["run", "labs/first-lab"], { random, runMs, namespaces: withLasting, what });
    if (kill % 10 === 9) await regrade();
  }
  line(`${kills} SIGKILLs (CNILAB_SEED=${seed})`);

  const labs = await labsHere(cnilab);
  let cycles = 0;
  // A few in any case, however long the kills took.
  while (performance.now() < deadline || cycles < Math.min(labs.length, 3)) {
    await cycle(cnilab, labs[cycles++ % labs.length] as (typeof labs)[number]);
    await regrade();
  }
  line(`${cycles} labs made, solved, graded and taken down; ${grades} grades of the lab that stayed up\n`);

  const lastingAfter = labFigures(pid);
  rows.push(
    [
      "lab process: memory, MiB",
      lastingBefore.memoryMiB,
      lastingAfter.memoryMiB,
      lastingAfter.memoryMiB <= lastingBefore.memoryMiB * 1.25 + 20,
    ],
    [
      "lab process: descriptors",
      lastingBefore.descriptors,
      lastingAfter.descriptors,
      lastingAfter.descriptors <= lastingBefore.descriptors,
    ],
    [
      "lab process: sockets",
      lastingBefore.sockets,
      lastingAfter.sockets,
      lastingAfter.sockets <= lastingBefore.sockets,
    ],
  );
  await expectExit(lasting.run("down", "first-lab"), "down first-lab");
  const left = (): unknown[] => [cnilab, lasting].flatMap(({ stateHome }) => labProcesses(stateHome, namespacesBefore));
  await until(
    () => left().length === 0,
    10_000,
    () => `still there: ${JSON.stringify(left())}`,
  );
  const WHATS = ["sockets", "files", "namespaces"] as const;
  const isAsBefore = (after: ReturnType<typeof hostFigures>, what: (typeof WHATS)[number]): boolean =>
    (after[what] ?? 0) - (figuresBefore[what] ?? 0) <= NOISE[what];
  let figuresAfter = hostFigures();
  const endedAt = performance.now();
  while (!WHATS.every((what) => isAsBefore(figuresAfter, what)) && performance.now() - endedAt < FREED_WITHIN_MS) {
    await setTimeout(100);
    figuresAfter = hostFigures();
  }
  for (const what of WHATS) {
    const [before, after] = [figuresBefore[what], figuresAfter[what]];
    if (before === undefined || after === undefined) rows.push([`host: ${what}`, "not readable", "not readable", true]);
    else rows.push([`host: ${what}`, before, after, isAsBefore(figuresAfter, what)]);
  }
  const hostAfter = hostState();
  for (const what of Object.keys(hostBefore) as (keyof typeof hostBefore)[])
    rows.push([
      `host: ${what}`,
      "as found",
      hostBefore[what] === hostAfter[what] ? "the same" : "changed",
      hostBefore[what] === hostAfter[what],
    ]);
} finally {
  await cnilab.remove();
  await lasting.remove();
}
line(`${"".padEnd(28)}${"before".padStart(14)}${"after".padStart(14)}`);
for (const [what, before, after, isRight] of rows)
  line(`${what.padEnd(28)}${String(before).padStart(14)}${String(after).padStart(14)}  ${isRight ? "right" : "WRONG"}`);
if (rows.some(([, , , isRight]) => !isRight)) process.exitCode = 1;
