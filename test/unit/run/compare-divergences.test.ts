import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { formatProblems } from "../../../src/core/format-error.ts";
import { LabProblems } from "../../../src/core/errors.ts";
import { compareCells } from "../../../src/run/compare-cells.ts";
import { bundledDivergences, readDivergences, staleDivergences } from "../../../src/run/compare-divergences.ts";
import { calico, captured, flannel, real, runOf, side } from "./captured-run.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cnilab-divergences-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function read(entries: string) {
  const file = join(folder, "divergences.yaml");
  writeFileSync(file, `apiVersion: cnilab.dev/v1alpha1\nkind: Divergences\ndivergences:\n${entries}`);
  return readDivergences(file);
}

const entry = `
  - lab: shop
    probe: web reaches db
    between:
      - { provider: netns, cni: calico, observed: dropped }
      - { provider: kind, observed: rejected }
    what: the real one answers with an ICMP error
    upstream: https://example.org/issues/1
`;

const modelled = runOf(calico, [captured(side("dropped", "pass"))]);
const rejected = runOf(real, [captured(side("rejected", "pass"))]);

function compare(runs: Parameters<typeof compareCells>[0], entries: string) {
  const divergences = read(entries);
  const { counts, differences, uses, inconclusive } = compareCells(runs, ["A", "B", "C"], divergences);
  return { counts, differences, inconclusive, stale: staleDivergences(divergences, [{ runs, uses }]) };
}

describe("a known divergence", () => {
  test("that shows, whichever variant comes first, does not count and has its link", () => {
    for (const runs of [
      [modelled, rejected],
      [rejected, modelled],
    ]) {
      const { counts, differences, stale } = compare(runs, entry);
      expect(counts).toMatchObject({ different: 0, known: 1 });
      expect(differences[0]?.because).toEqual([
        { text: "the real one answers with an ICMP error", upstream: "https://example.org/issues/1" },
      ]);
      expect(stale).toEqual([]);
    }
  });

  test("that shows otherwise than written is a difference, and stale", () => {
    const { counts, stale } = compare([modelled, runOf(real, [captured(side("allowed", "fail"))])], entry);
    expect(counts).toMatchObject({ different: 1, known: 0 });
    expect(stale).toMatchObject([{ lab: "shop", place: expect.stringMatching(/divergences\.yaml:5$/) }]);
  });

  test("that no longer shows is stale", () => {
    const { counts, stale } = compare([modelled, runOf(real, [captured(side("dropped", "pass"))])], entry);
    expect(counts).toMatchObject({ equal: 1 });
    expect(stale).toHaveLength(1);
  });

  test.each([
    [
      "its lab was not among those compared",
      [
        { ...modelled, lab: { name: "x", title: "" } },
        { ...rejected, lab: { name: "x", title: "" } },
      ],
    ],
    ["one of its variants did not run", [modelled, undefined]],
    ["the variants were others", [modelled, runOf(flannel, [captured(side("dropped", "pass"))])]],
    ["only one of its variants ran, twice", [modelled, modelled]],
  ])("is not stale where %s", (_why, runs) => {
    expect(compare(runs, entry).stale).toEqual([]);
  });

  test("of one state says nothing of the other", () => {
    const solved = entry.replace("probe:", "state: solved\n    probe:");
    const { counts, stale } = compare([modelled, rejected], solved);
    expect(counts).toMatchObject({ different: 1 });
    expect(stale).toEqual([]);
  });

  test("covers only the cells it names", () => {
    const ofPort = entry.replace("between:", "cell: { port: 80 }\n    between:");
    expect(compare([modelled, rejected], ofPort).counts).toMatchObject({ different: 1, known: 0 });
  });

  test("covers other labs that it names, and is not stale where it does not show in those", () => {
    const inOthers = entry.replace("lab: shop", "lab: elsewhere\n    alsoIn: [shop]");
    expect(compare([modelled, rejected], inOthers).counts).toMatchObject({ known: 1 });
    expect(compare([modelled, runOf(real, modelled.cells)], inOthers).stale).toEqual([]);
  });

  test("of two variants does not excuse a third", () => {
    const third = runOf({ ...flannel }, [captured(side("allowed", "fail"))]);
    expect(compare([modelled, rejected, third], entry).counts).toMatchObject({ different: 1, known: 0 });
  });

  test("that says inconclusive keeps such a cell from counting as one", () => {
    const runs = [modelled, runOf(real, [captured(side("rejected", "inconclusive"))])];
    expect(compare(runs, entry).inconclusive).toHaveLength(1);
    const told = entry.replace("observed: rejected", "observed: rejected, verdict: inconclusive");
    expect(compare(runs, told)).toMatchObject({ counts: { known: 1 }, inconclusive: [] });
  });
});

describe("the divergences file", () => {
  test("that comes with cnilab is right", () => {
    expect(() => readDivergences(bundledDivergences())).not.toThrow();
  });

  test("is told everything that is wrong with it, each at its place", () => {
    const wrong = entry
      .replace("provider: netns, cni: calico, observed: dropped", "observed: dropped")
      .replace("observed: rejected", "observed: refused")
      .replace("https://example.org/issues/1", "issue 1")
      .replace("what:", "whta:");
    try {
      read(wrong);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(LabProblems);
      const text = formatProblems((error as LabProblems).problems);
      const found = [...text.matchAll(/divergences\.yaml:(\d+):\d+ {2}([A-Z_]+)/g)].map(
        ([, line, code]) => `${line} ${code}`,
      );
      expect(found.toSorted()).toEqual([
        "10 LAB_UNKNOWN_FIELD",
        "11 LAB_BAD_VALUE",
        "8 USAGE_DIVERGENCE_SIDE",
        "9 LAB_BAD_VALUE",
      ]);
    }
  });

  test("that is not there is told", () => {
    expect(() => readDivergences(join(folder, "none.yaml"))).toThrow("cannot read");
  });
});
