import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { matchingSaved, readSavedRun, saveRuns } from "../../../src/run/compare-saved.ts";
import { calico, captured, flannel, real, runOf, side } from "./captured-run.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cnilab-saved-"));
  file = join(folder, "deep/er/run.json");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("a saved run", () => {
  test("reads back as it was written", async () => {
    const runs = [runOf(calico, [captured(side("dropped", "pass", { facts: { status: 1 }, proof: "p" }))])];
    await saveRuns(file, new Date("2026-01-02T03:04:05Z"), runs);
    expect(readSavedRun(file)).toMatchObject({ savedAt: "2026-01-02T03:04:05.000Z", runs });
  });

  test("cut off, or of another sort, is refused with a reason", async () => {
    await saveRuns(file, new Date(), [runOf(calico, [captured(side("dropped", "pass"))])]);
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.slice(0, 200));
    expect(() => readSavedRun(file)).toThrow(expect.objectContaining({ code: "USAGE_BASELINE" }));
    writeFileSync(file, text.replace('"dropped"', '"gone"'));
    expect(() => readSavedRun(file)).toThrow(/runs\.0\.cells\.0\.side\.observed/);
    writeFileSync(file, '{"kind":"Report"}');
    expect(() => readSavedRun(file)).toThrow("is no saved run");
    expect(() => readSavedRun(join(folder, "none"))).toThrow("cannot read");
  });
});

describe("of a saved run count", () => {
  const saved = { savedAt: "", runs: [runOf(calico, []), runOf(flannel, []), runOf(calico, [], { state: "solved" })] };
  const of = (variants: (typeof calico)[], lab = "shop") => matchingSaved(saved, { lab, state: "untouched", variants });

  test("the variants that run again, whatever their version", () => {
    expect(of([{ ...calico, cniVersion: "4" }]).map(({ variant }) => variant.cni)).toEqual(["calico"]);
  });

  test("all variants of the state where none runs again", () => {
    expect(of([real]).map(({ variant }) => variant.cni)).toEqual(["calico", "flannel"]);
  });

  test("those with the same options", () => {
    const options = { encrypted: true };
    const both = { savedAt: "", runs: [runOf(real, []), runOf({ ...real, options }, [])] };
    const again = (variant: typeof real): unknown =>
      matchingSaved(both, { lab: "shop", state: "untouched", variants: [variant] }).map((run) => run.variant.options);
    expect(again(real)).toEqual([undefined]);
    expect(again({ ...real, options })).toEqual([options]);
  });

  test("none of another lab", () => {
    expect(of([calico], "other")).toEqual([]);
  });
});
