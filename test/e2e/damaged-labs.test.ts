import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { seededRandom } from "../../src/engine/seeded-random.ts";
import { damage, ways } from "../damage.ts";
import { Cnilab, repository } from "./cnilab.ts";

const seed = Number(process.env["CNILAB_SEED"] ?? Math.trunc(Math.random() * 2 ** 31));

let cnilab: Cnilab;
let folder: string;

beforeAll(() => {
  // Whatever a file holds, the command needs no more memory than this to read it.
  cnilab = new Cnilab({ environment: { ...process.env, NODE_OPTIONS: "--max-old-space-size=256" } });
  folder = mkdtempSync(join(tmpdir(), "cnilab-damaged-"));
});

afterAll(async () => {
  await cnilab.remove();
  rmSync(folder, { recursive: true });
});

/** What the command says to a person: no stack, no word of a fault in itself. */
function expectWords(exitCode: number | null, text: string, what: string): void {
  expect(exitCode, `${what}\n${text.slice(0, 1000)}`).toSatisfy((code) => code === 0 || code === 2);
  expect(text, what).not.toMatch(/fault in cnilab|^\s+at .*[:(]|node:internal|FATAL ERROR/m);
  if (exitCode === 2) expect(text, what).toMatch(/(?:^|  )[A-Z]+_[A-Z0-9_]+  /m);
}

test(`damaged labs end the command with 0 or 2 and no stack trace (CNILAB_SEED=${seed})`, async () => {
  console.log(`CNILAB_SEED=${seed}`);
  const targets: { lab: string; how: string }[] = [];
  for (const [index, way] of ways.entries()) {
    const lab = join(folder, `lab-${index}`);
    cpSync(join(repository, "labs/first-lab"), lab, { recursive: true });
    const file = join(lab, index % 2 === 0 ? "lab.yaml" : "manifests/shop.yaml");
    const { content, how } = damage(readFileSync(file), index, seededRandom(seed + index));
    expect(how).toContain(way);
    writeFileSync(file, content);
    targets.push({ lab, how });
  }
  const all = await cnilab.run("validate", ...targets.map(({ lab }) => lab));
  expectWords(all.exitCode, all.stderr, "validate");
  for (const { lab } of targets) expect(all.stdout).toContain(`${lab}: `);
  // And by themselves; every third, because each is a process.
  for (const { lab, how } of targets.filter((_, index) => index % 3 === 0)) {
    const { exitCode, stderr } = await cnilab.run("plan", lab);
    expectWords(exitCode, stderr, `case ${targets.findIndex((target) => target.lab === lab)}: ${how}`);
  }
});
