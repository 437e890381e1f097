import { readFileSync } from "node:fs";
import * as z from "zod";
import { LabError, LabProblems } from "../core/errors.ts";
import { installed } from "../core/installation.ts";
import { parseYaml } from "../core/yaml-source.ts";
import { parseWith } from "../lab/issues.ts";
import type { CellSide, DifferingCell, StaleDivergence, Variant } from "../report/compare-types.ts";
import { signature, type CapturedRun } from "./compare-capture.ts";
import { shownPath } from "../core/shown-path.ts";

const name = z.string().min(1).max(200);

/** One of the two that differ: which variants it means, and what they see. */
const sideSchema = z
  .strictObject({
    provider: name.optional(),
    cni: name.optional(),
    mode: name.optional(),
    observed: z.enum(["allowed", "dropped", "rejected", "error", "absent"]),
    verdict: z.enum(["pass", "fail", "inconclusive", "absent"]).optional(),
    facts: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
  })
  .superRefine(({ provider, cni, mode }, issues) => {
    if ((provider ?? cni ?? mode) !== undefined) return;
    const hint = "add provider, cni or mode";
    issues.addIssue({
      code: "custom",
      message: "this side names no variant",
      params: { code: "USAGE_DIVERGENCE_SIDE", hint },
    });
  });

const entrySchema = z.strictObject({
  lab: name.describe("The lab that reproduces it, by its metadata.name"),
  alsoIn: z.array(name).default([]),
  state: z.enum(["untouched", "solved"]).optional(),
  probe: name,
  cell: z
    .strictObject({
      from: name.optional(),
      to: name.optional(),
      port: z.int().min(1).max(65_535).optional(),
      protocol: z.enum(["tcp", "udp"]).optional(),
    })
    .default({}),
  between: z.tuple([sideSchema, sideSchema]),
  what: z.string().min(1).max(1000),
  upstream: z.url({ protocol: /^https?$/ }),
});

const fileSchema = z.strictObject({
  apiVersion: z.literal("cnilab.dev/v1alpha1"),
  kind: z.literal("Divergences"),
  divergences: z.array(entrySchema),
});

/** A difference between two sorts of variants that is known, with where it is written. */
export interface Divergence extends z.output<typeof entrySchema> {
  /** `FILE:LINE`. */
  place: string;
}

/** The known divergences that come with cnilab. */
export const bundledDivergences = (): string => installed("docs/divergences.yaml");

/** Reads and checks a file of known divergences; throws LabProblems with everything that is wrong, each at its place. */
export function readDivergences(path: string): Divergence[] {
  const file = shownPath(path);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new LabError("USAGE_DIVERGENCES", `cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
  const { documents, problems } = parseYaml(text, file);
  const [document] = documents;
  if (problems.length > 0) throw new LabProblems(problems);
  if (document === undefined) throw new LabError("USAGE_DIVERGENCES", `${file} is empty`);
  const parsed = parseWith(fileSchema, document.value, document);
  if (parsed.value === undefined) throw new LabProblems(parsed.problems);
  return parsed.value.divergences.map((entry, index) => ({
    ...entry,
    place: `${file}:${document.span(["divergences", index]).line}`,
  }));
}

/**
 * Which entries describe a differing cell, and whether they do so for every pair of sides that differ. `knownSides` are
 * the sides that an entry says to be inconclusive.
 */
export function knownBecause(
  cell: DifferingCell,
  runs: readonly (CapturedRun | undefined)[],
  divergences: readonly Divergence[],
): { isCovered: boolean; uses: Divergence[]; knownSides: number[] } {
  const present = runs.flatMap((run, index) => {
    const side = cell.sides[index];
    return run === undefined || side === undefined ? [] : [{ run, side, index }];
  });
  const pairs = present.flatMap((one, at) =>
    present
      .slice(at + 1)
      .flatMap((other) => (signature(one.side) === signature(other.side) ? [] : [[one, other] as const])),
  );
  const used = new Set<Divergence>();
  const knownSides = new Set<number>();
  let isCovered = pairs.length > 0;
  for (const [one, other] of pairs) {
    const entry = divergences.find(
      (each) =>
        selects(each, one.run, cell) &&
        ((shows(each.between[0], one) && shows(each.between[1], other)) ||
          (shows(each.between[1], one) && shows(each.between[0], other))),
    );
    if (entry === undefined) {
      isCovered = false;
      continue;
    }
    used.add(entry);
    for (const each of [one, other]) {
      if (entry.between.some((side) => side.verdict === "inconclusive" && shows(side, each)))
        knownSides.add(each.index);
    }
  }
  return { isCovered, uses: [...used], knownSides: [...knownSides] };
}

/** Entries whose lab ran on both their variants, in their state, and showed nothing of what they say. */
export function staleDivergences(
  divergences: readonly Divergence[],
  labs: readonly { runs: readonly (CapturedRun | undefined)[]; uses: readonly Divergence[] }[],
): StaleDivergence[] {
  return divergences
    .filter((entry) => {
      const couldShow = labs.filter(({ runs }) => {
        const present = runs.filter((run) => run !== undefined).filter((run) => isOfLab(entry, run, [entry.lab]));
        return present.some((one) =>
          present.some(
            (other) => one !== other && isOf(entry.between[0], one.variant) && isOf(entry.between[1], other.variant),
          ),
        );
      });
      return couldShow.length > 0 && !couldShow.some(({ uses }) => uses.includes(entry));
    })
    .map(({ lab, probe, what, upstream, place }) => ({ lab, probe, what, upstream, place }));
}

function selects(entry: Divergence, run: CapturedRun, { probe, from, to, port, protocol }: DifferingCell): boolean {
  const { cell } = entry;
  return (
    isOfLab(entry, run, [entry.lab, ...entry.alsoIn]) &&
    entry.probe === probe &&
    (cell.from === undefined || cell.from === from) &&
    (cell.to === undefined || cell.to === to) &&
    (cell.port === undefined || cell.port === port) &&
    (cell.protocol === undefined || cell.protocol === protocol)
  );
}

function isOfLab({ state }: Divergence, run: CapturedRun, labs: readonly string[]): boolean {
  return labs.includes(run.lab.name) && (state === undefined || state === run.state);
}

function isOf(side: z.output<typeof sideSchema>, { provider, cni, mode }: Variant): boolean {
  return (
    (side.provider === undefined || side.provider === provider) &&
    (side.cni === undefined || side.cni === cni) &&
    (side.mode === undefined || side.mode === mode)
  );
}

function shows(wanted: z.output<typeof sideSchema>, { run, side }: { run: CapturedRun; side: CellSide }): boolean {
  return (
    isOf(wanted, run.variant) &&
    wanted.observed === side.observed &&
    (wanted.verdict === undefined || wanted.verdict === side.verdict) &&
    Object.entries(wanted.facts).every(([fact, value]) => side.facts[fact] === value)
  );
}
