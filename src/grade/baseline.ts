import type { Cell, JudgedProbe, ProbeResult } from "./types.ts";

/** Whether a cell of the untouched lab passed; `passed` is absent where that could not be told. */
export interface BaselineCell {
  probe: string;
  /** Ends, port and protocol. */
  cell: string;
  passed?: boolean;
}

/**
 * Gives an end of a cell a name that outlives its pod: a learner whose change rolls a Deployment out gets pods with
 * other names, and the cells are still the same.
 */
export type StableName = (end: string) => string;

/** What the run record keeps of the untouched lab's grade; cells that fall together and differ are left open. */
export function recordBaseline(probes: readonly JudgedProbe[], stableName: StableName = unchanged): BaselineCell[] {
  const entries = new Map<string, BaselineCell>();
  for (const probe of probes) {
    for (const cell of probe.cells) {
      const id = cellId(cell, stableName);
      const key = entryKey(probe.name, id);
      const known = entries.get(key);
      const passed = cell.verdict === "inconclusive" ? undefined : cell.verdict === "pass";
      const agreed = known === undefined || known.passed === passed ? passed : undefined;
      entries.set(key, { probe: probe.name, cell: id, ...(agreed === undefined ? {} : { passed: agreed }) });
    }
  }
  return [...entries.values()];
}

/**
 * Sets `passedBefore` from the untouched lab's grade. A cell that it lacks or could not judge stays without: if
 * inconclusive counted as failed, a server that came up late would earn points for a learner who did nothing.
 */
export function attachBaseline(
  probes: readonly ProbeResult[],
  baseline: readonly BaselineCell[],
  stableName: StableName = unchanged,
): ProbeResult[] {
  const passed = new Map(baseline.map((entry) => [entryKey(entry.probe, entry.cell), entry.passed]));
  return probes.map((probe) => ({
    ...probe,
    cells: probe.cells.map((cell) => {
      const passedBefore = passed.get(entryKey(probe.name, cellId(cell, stableName)));
      return passedBefore === undefined ? cell : { ...cell, passedBefore };
    }),
  }));
}

function cellId({ key: { from, to, port, protocol } }: Cell, stableName: StableName): string {
  return [stableName(from), stableName(to), port ?? "-", protocol ?? "-"].join(" ");
}

function entryKey(probe: string, cell: string): string {
  return `${probe}\n${cell}`;
}

function unchanged(end: string): string {
  return end;
}
