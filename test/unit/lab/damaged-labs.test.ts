import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exitCodeOfError, exitCodes } from "../../../src/cli/exit-codes.ts";
import { LabError, LabProblems, type LabWarning, type Span } from "../../../src/core/errors.ts";
import { formatProblem } from "../../../src/core/format-error.ts";
import { seededRandom } from "../../../src/engine/seeded-random.ts";
import { loadLab } from "../../../src/lab/load.ts";
import { buildPlan } from "../../../src/plan/build-plan.ts";
import type { Plan } from "../../../src/plan/types.ts";
import { providers } from "../../../src/providers/registry.ts";
import { registries } from "../../../src/run/registries.ts";
import { damage, harmless } from "../../damage.ts";

/*
 * The labs that come with cnilab, a file of each damaged: a lab is then planned, or refused with problems that each lead to
 * their place. CNILAB_SEED repeats a run; a failure tells its case's number, and CNILAB_CASE runs that one alone.
 */
const CASES = 1000;
const seed = Number(process.env["CNILAB_SEED"] ?? Math.trunc(Math.random() * 2 ** 31));
const only = process.env["CNILAB_CASE"];
/** Of this process's own time, which other work on the machine does not lengthen much. */
const MAX_CPU_MS = 6000;
/** Memory that the process may take on top of what it had, garbage that nobody has collected yet with it. */
const MAX_MEMORY_BYTES = 1500 * 2 ** 20;

const repository = path.resolve(import.meta.dirname, "../../..");
const documented = new Set(
  [...readFileSync(path.join(repository, "docs/errors.md"), "utf8").matchAll(/^### ([A-Z0-9_]+)$/gm)].map(
    ([, code]) => code,
  ),
);
/** Of a whole file, which their message names. */
const OF_A_FILE = ["YAML_EMPTY", "YAML_TOO_LARGE", "LAB_MORE_PROBLEMS"];

let folder: string;
let files: string[];

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "cnilab-damaged-"));
  for (const part of ["labs", "topologies"])
    cpSync(path.join(repository, part), path.join(folder, part), { recursive: true });
  files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".yaml"))
    .toSorted();
  // Some topologies are no lab's.
  for (const file of readdirSync(path.join(folder, "topologies"))) {
    const { name } = path.parse(file);
    mkdirSync(path.join(folder, "labs", `on-${name}`));
    const text = `apiVersion: cnilab.dev/v1alpha1\nkind: Lab\nmetadata: { name: x, title: X }\ntopology: ${name}\ncni: calico\n`;
    writeFileSync(path.join(folder, "labs", `on-${name}`, "lab.yaml"), text);
  }
});

afterAll(() => rmSync(folder, { recursive: true }));

/** What the command does with a lab up to its plan. */
async function planOf(lab: string): Promise<{ plan: Plan; warnings: LabWarning[] } | LabProblems> {
  try {
    const topologiesDirectory = path.join(folder, "topologies");
    const { lab: loaded, warnings } = await loadLab(path.join(folder, "labs", lab), registries, {
      topologiesDirectory,
    });
    const provider = providers[(loaded.providers?.[0] ?? "netns") as keyof typeof providers];
    return { plan: buildPlan(loaded, { provider, cnis: registries.cnis, inventory: "any" }), warnings };
  } catch (error) {
    if (error instanceof LabProblems) return error;
    throw error;
  }
}

/** A lab that reads the file. */
function labOf(file: string): string {
  const [part, name = ""] = file.split(path.sep);
  return part === "labs" ? name : `on-${path.parse(name).name}`;
}

async function withFile<Result>(file: string, content: Buffer, work: () => Promise<Result>): Promise<Result> {
  const whole = path.join(folder, file);
  const before = readFileSync(whole);
  writeFileSync(whole, content);
  try {
    return await work();
  } finally {
    writeFileSync(whole, before);
  }
}

type ReadLines = (file: string) => string[];

/** The lines of files as an editor shows them, each file read once. */
function lineReader(): ReadLines {
  const read = new Map<string, string[]>();
  return (file) => {
    const lines = read.get(file) ?? new TextDecoder().decode(readFileSync(file)).split("\n");
    read.set(file, lines);
    return lines;
  };
}

/** What is wrong with a place; undefined where it is one of the file. */
function wrongPlace({ file, line, column, length, lineText }: Span, linesOf: ReadLines): string | undefined {
  const text = linesOf(file)[line - 1]?.replace(/\r$/, "");
  if (text !== lineText) return `line ${line} is not what the place says`;
  return column < 1 || column > text.length + 1 || length < 1 ? `no column ${column}+${length}` : undefined;
}

/** What is wrong with a problem as a person gets it. */
function faultOf(problem: LabWarning, linesOf: ReadLines): string | undefined {
  const { code, message, hint, span } = problem;
  if (!documented.has(code)) return "its code has no entry in docs/errors.md";
  if (exitCodeOfError(new LabError(code, message)) !== exitCodes.usage) return "it does not end the command with 2";
  if (message.trim() === "" || hint?.trim() === "") return "it says nothing";
  if (span === undefined ? !OF_A_FILE.includes(code) : wrongPlace(span, linesOf) !== undefined)
    return span === undefined ? "it has no place" : wrongPlace(span, linesOf);
  const text = formatProblem(problem);
  if (text.length > 12_000) return `it is ${text.length} characters long`;
  if (/\bundefined\b|\[object |^ +at /m.test(text)) return "it shows the program's inside";
  return /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]/.test(text) ? "it has hidden characters" : undefined;
}

/** Throws where a lab is neither planned nor refused as it should be. */
async function judge(lab: string): Promise<"planned" | "refused"> {
  const result = await planOf(lab);
  const problems = result instanceof LabProblems ? result.problems : result.warnings;
  const linesOf = lineReader();
  for (const problem of problems) {
    const fault = faultOf(problem, linesOf);
    if (fault !== undefined) throw new Error(`${fault}: ${formatProblem(problem).slice(0, 500)}`);
  }
  if (result instanceof LabProblems) {
    if (problems.length === 0 || problems.length > 101) throw new Error(`${problems.length} problems`);
    return "refused";
  }
  if (result.plan.topology.nodes.length === 0) throw new Error("a plan without nodes");
  return "planned";
}

test(`${CASES} damaged files are planned, or refused in their place (CNILAB_SEED=${seed})`, async () => {
  const counts = { planned: 0, refused: 0 };
  const failures: string[] = [];
  let slowest = { ms: 0, what: "" };
  const memoryBefore = process.memoryUsage.rss();
  for (let index = 0; index < CASES; index++) {
    if (only !== undefined && Number(only) !== index) continue;
    const random = seededRandom(seed + index);
    const file = files[Math.floor(random() * files.length)] as string;
    const { content, how } = damage(readFileSync(path.join(folder, file)), index, random);
    const what = `case ${index}, ${file}: ${how}`;
    const started = process.cpuUsage();
    try {
      counts[await withFile(file, content, () => judge(labOf(file)))]++;
    } catch (error) {
      failures.push(`${what}\n${(error as Error).stack}`);
    }
    const { user, system } = process.cpuUsage(started);
    const ms = (user + system) / 1000;
    if (ms > slowest.ms) slowest = { ms, what };
    if (ms > MAX_CPU_MS) failures.push(`${what}\ntook ${ms} ms`);
  }
  const memory = process.resourceUsage().maxRSS * 1024 - memoryBefore;
  console.log(`CNILAB_SEED=${seed}`, counts, slowest, `${memory >> 20} MiB more at most`);
  expect(failures.slice(0, 5).join("\n\n"), `${failures.length} cases, CNILAB_SEED=${seed}`).toBe("");
  expect(memory).toBeLessThan(MAX_MEMORY_BYTES);
}, 240_000);

test.each(Object.keys(harmless))("%s changes nothing", async (name) => {
  const change = harmless[name] as (bytes: Buffer) => Buffer;
  /** Apart from the places, which may move. */
  const textOf = (result: Awaited<ReturnType<typeof planOf>>): string =>
    JSON.stringify(result, (key, value: unknown) => (["span", "nameSpan", "line"].includes(key) ? undefined : value));
  for (const lab of readdirSync(path.join(folder, "labs"))) {
    const before = textOf(await planOf(lab));
    const own = files.filter((file) => file.startsWith(path.join("labs", lab) + path.sep));
    const originals = own.map((file) => readFileSync(path.join(folder, file)));
    for (const [index, file] of own.entries())
      writeFileSync(path.join(folder, file), change(originals[index] as Buffer));
    const after = textOf(await planOf(lab));
    for (const [index, file] of own.entries()) writeFileSync(path.join(folder, file), originals[index] as Buffer);
    expect(after, lab).toBe(before);
  }
});
