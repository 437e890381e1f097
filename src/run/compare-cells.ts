import type { CellSide, DifferingCell, LabComparison } from "../report/compare-types.ts";
import { cellNameId, signature, type CapturedCell, type CapturedRun } from "./compare-capture.ts";
import { knownBecause, type Divergence } from "./compare-divergences.ts";
import { compareFigures } from "./compare-figures.ts";

/** A cell that a variant does not have. */
const absent: CellSide = {
  observed: "absent",
  reason: "this variant has no such cell",
  verdict: "absent",
  verdictReason: "",
  facts: {},
  tries: 0,
};

/** What comparing found of one lab in one state, and which known divergences showed. */
export interface ComparedCells extends Pick<
  LabComparison,
  "counts" | "differences" | "inconclusive" | "figures" | "notes"
> {
  uses: Divergence[];
}

/**
 * Holds runs of one lab against one another, cell by cell; undefined stands for a variant that did not run. Two sides are
 * the same when outcome, verdict and facts are: reasons tell of addresses and nodes, figures of the host's load.
 */
export function compareCells(
  runs: readonly (CapturedRun | undefined)[],
  labels: readonly string[],
  divergences: readonly Divergence[],
): ComparedCells {
  const figures = compareFigures(runs);
  const counts = { cells: 0, equal: 0, different: 0, known: 0, explained: 0, ungraded: 0 };
  const result: ComparedCells = { counts, differences: [], inconclusive: [], figures, notes: notesOf(runs), uses: [] };
  if (runs.filter((run) => run !== undefined).length < 2) return result;
  const names = new Map<string, CapturedCell>();
  const byRun = runs.map((run) => new Map(run?.cells.map((cell) => [cellNameId(cell), cell])));
  for (const cells of byRun) for (const [id, cell] of cells) if (!names.has(id)) names.set(id, cell);

  for (const [id, { probe, kind, from, to, port, protocol }] of names) {
    const cells = byRun.map((each) => each.get(id));
    const name = {
      probe,
      kind,
      from,
      to,
      ...(port === undefined ? {} : { port }),
      ...(protocol === undefined ? {} : { protocol }),
    };
    const isGraded = cells.some((cell) => cell?.isUngraded === false);
    const sides = runs.map((run, index) => (run === undefined ? undefined : (cells[index]?.side ?? absent)));
    if (isGraded) counts.cells++;
    const known = new Set<number>();
    const judged = isSame(sides)
      ? undefined
      : judgeDifference({ ...name, status: "different", sides, because: [] }, isGraded, cells, runs, divergences);
    if (judged === undefined) counts.equal += isGraded ? 1 : 0;
    else {
      counts[judged.cell.status]++;
      result.differences.push(judged.cell);
      result.uses.push(...judged.uses);
      for (const index of judged.knownSides) known.add(index);
    }
    for (const [index, cell] of cells.entries()) {
      if (cell?.side.verdict !== "inconclusive" || cell.notEnforceable !== undefined || known.has(index)) continue;
      result.inconclusive.push({ ...name, variant: labels[index] ?? "", reason: cell.side.verdictReason });
    }
  }
  return result;
}

function judgeDifference(
  cell: DifferingCell,
  isGraded: boolean,
  cells: readonly (CapturedCell | undefined)[],
  runs: readonly (CapturedRun | undefined)[],
  divergences: readonly Divergence[],
): { cell: DifferingCell; uses: Divergence[]; knownSides: number[] } {
  if (!isGraded) return { cell: { ...cell, status: "ungraded" }, uses: [], knownSides: [] };
  const enforced = cell.sides.map((side, index) => (cells[index]?.notEnforceable === undefined ? side : undefined));
  const isGap = isEnforcementGap(cell.sides, enforced);
  const gaps = isGap ? [...new Set(cells.flatMap((each) => each?.notEnforceable ?? []))].map((text) => ({ text })) : [];
  if (isGap && isSame(enforced)) {
    return { cell: { ...cell, status: "explained", because: gaps }, uses: [], knownSides: [] };
  }
  const { isCovered, uses, knownSides } = knownBecause(isGap ? { ...cell, sides: enforced } : cell, runs, divergences);
  const because = [...uses.map(({ what, upstream }) => ({ text: what, upstream })), ...gaps];
  return { cell: { ...cell, status: isCovered ? "known" : "different", because }, uses, knownSides };
}

/**
 * Whether all that the sides without enforcement have other than the rest is what a missing rule does: they let through
 * what others may stop, or see the same and only cannot be judged. What they stop, no missing rule explains.
 */
function isEnforcementGap(
  sides: readonly (CellSide | undefined)[],
  enforced: readonly (CellSide | undefined)[],
): boolean {
  const others = sides.filter((side, index) => side !== undefined && enforced[index] === undefined);
  const [open] = others;
  const [judged] = enforced.filter((side) => side !== undefined);
  if (open === undefined || judged === undefined || !isSame(others)) return false;
  return open.observed === "allowed" || signature({ ...open, verdict: judged.verdict }) === signature(judged);
}

function isSame(sides: readonly (CellSide | undefined)[]): boolean {
  return new Set(sides.flatMap((side) => (side === undefined ? [] : [signature(side)]))).size <= 1;
}

function notesOf(runs: readonly (CapturedRun | undefined)[]): string[] {
  const digests = new Set(runs.flatMap((run) => run?.labDigest ?? []));
  return digests.size <= 1
    ? []
    : ["the lab was changed between these runs: what differs may be the lab's own doing, not the variants'"];
}
