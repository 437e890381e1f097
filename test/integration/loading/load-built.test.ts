import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { installed } from "../../../src/core/installation.ts";
import labFlags from "../../../src/providers/netns/node-flags.json" with { type: "json" };

/** Tells of each file of a build, in a process of its own, whether V8 takes its code cache: `taken`, `refused` or `none`. */
const ASK = `
  const { readdirSync, readFileSync, existsSync } = require("node:fs");
  const { join } = require("node:path");
  const { Script } = require("node:vm");
  const dist = process.argv[1];
  const { wrapped, codeCachePath } = require(join(dist, "load-built.cjs"));
  // What was given to node for this script is none of a lab's flags.
  process.execArgv = process.execArgv.filter((each) => each.startsWith("--max"));
  const told = {};
  for (const name of readdirSync(dist, { recursive: true })) {
    if (!name.endsWith(".cjs") || name === "load-built.cjs") continue;
    const path = codeCachePath(dist, join(dist, name));
    if (!existsSync(path)) { told[name] = "none"; continue; }
    const script = new Script(wrapped(readFileSync(join(dist, name), "utf8")), { cachedData: readFileSync(path) });
    told[name] = script.cachedDataRejected ? "refused" : "taken";
  }
  console.log(JSON.stringify(told));
`;

let copy: string;

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), "cnilab-load-"));
  for (const name of ["dist", "package.json", "labs", "topologies"])
    cpSync(installed(name), join(copy, name), { recursive: true });
  symlinkSync(installed("node_modules"), join(copy, "node_modules"));
});

afterAll(() => rmSync(copy, { recursive: true, force: true }));

function ask(flags: string[]): Record<string, string> {
  const text = execFileSync(process.execPath, [...flags, "-e", ASK, join(copy, "dist")], { encoding: "utf8" });
  return JSON.parse(text) as Record<string, string>;
}

const plan = (): { stdout: string; stderr: string; status: number | null } =>
  spawnSync(process.execPath, [join(copy, "dist/cli/main.js"), "plan", "first-lab"], { encoding: "utf8" });

test("what commands run is in the code cache of a node without flags, what a lab runs in that of a lab's flags", () => {
  const [command, lab] = [ask([]), ask(labFlags)];
  expect(command).toMatchObject({ "cli/main.cjs": "taken", "providers/netns/lab/main.cjs": "none" });
  expect(lab).toMatchObject({
    "cli/main.cjs": "none",
    "providers/netns/lab/main.cjs": "taken",
    "providers/netns/lab/sweep-worker.cjs": "taken",
    "engine/servers/server-worker.cjs": "taken",
  });
  for (const told of [command, lab]) expect(Object.values(told)).not.toContain("refused");
});

test("a cache that was cut, that is for other flags, or that is not there, changes nothing of what a command does", () => {
  const expected = plan();
  expect(expected.stderr).toBe("");
  expect(expected.status).toBe(0);

  const caches = join(copy, "dist/code-cache");
  const [own = ""] = readdirSync(caches).filter((name) => !name.includes("--"));
  const main = join(caches, own, "cli/main.cjs.bin");
  const whole = readFileSync(main);
  writeFileSync(main, whole.subarray(0, whole.length >> 1));
  expect(ask([])["cli/main.cjs"]).toBe("refused");
  expect(plan()).toMatchObject({ stdout: expected.stdout, status: 0 });

  const [ofLabs = ""] = readdirSync(caches).filter((name) => name.includes("--"));
  const shared = readdirSync(join(caches, ofLabs, "chunks"))[0] ?? "";
  cpSync(join(caches, ofLabs, "chunks", shared), join(caches, own, "chunks", shared));
  expect(ask([])[`chunks/${shared.replace(/\.bin$/, "")}`]).toBe("refused");
  expect(plan()).toMatchObject({ stdout: expected.stdout, status: 0 });

  rmSync(caches, { recursive: true });
  expect(Object.values(ask([])).every((told) => told === "none")).toBe(true);
  expect(plan()).toMatchObject({ stdout: expected.stdout, status: 0 });
});
