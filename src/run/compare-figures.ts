import type { Observation, ProbeResult } from "../grade/types.ts";
import type { ComparedFigure } from "../report/compare-types.ts";
import type { CapturedRun } from "./compare-capture.ts";

/** A figure that a cell gave. */
export interface CellFigure {
  what: string;
  unit: ComparedFigure["unit"];
  value: number;
}

/** Fields of `measured` (docs/probes/) that are figures, and how a table calls them. */
const figureFields: Readonly<Record<string, Omit<CellFigure, "value">>> = {
  rttAvgMs: { what: "rtt", unit: "ms" },
  rttP95Ms: { what: "rtt of 95 %", unit: "ms" },
  hops: { what: "hops", unit: "count" },
  largest: { what: "longest packet", unit: "bytes" },
  loss: { what: "loss", unit: "share" },
  mtu: { what: "path MTU", unit: "bytes" },
  meanMs: { what: "time", unit: "ms" },
  timeMs: { what: "time", unit: "ms" },
  bandwidthBps: { what: "bandwidth", unit: "bit/s" },
  retransmits: { what: "retransmits", unit: "count" },
};

/** The figures of one observation; where nothing was measured, the time to an answer. */
export function figuresOf(observation: Observation | undefined): CellFigure[] {
  if (observation === undefined) return [];
  const measured = Object.entries(observation.measured ?? {}).flatMap(([field, value]): CellFigure[] => {
    const figure = Object.hasOwn(figureFields, field) ? figureFields[field] : undefined;
    return figure === undefined || typeof value !== "number" ? [] : [{ ...figure, value }];
  });
  if (measured.length > 0 || observation.outcome !== "allowed" || observation.latencyMs === undefined) return measured;
  return [{ what: "answer", unit: "ms", value: observation.latencyMs }];
}

/** How long after the restore of a fault a probe saw what it should. */
export function recoveryOf({ recovery }: Pick<ProbeResult, "recovery">): CellFigure[] {
  return recovery?.tookMs === undefined ? [] : [{ what: "recovery", unit: "ms", value: recovery.tookMs }];
}

/**
 * Figures side by side: of each probe, and what each phase of the run took. A probe of many cells gives their medians, or
 * a matrix would fill pages.
 */
export function compareFigures(runs: readonly (CapturedRun | undefined)[]): ComparedFigure[] {
  return [...phaseFigures(runs), ...probeFigures(runs)];
}

function phaseFigures(runs: readonly (CapturedRun | undefined)[]): ComparedFigure[] {
  const phases = [...new Set(runs.flatMap((run) => run?.phases.map(({ phase }) => phase) ?? []))];
  return phases.map((phase) => ({
    probe: "",
    from: "",
    to: "",
    what: phase,
    unit: "ms",
    cells: 0,
    values: runs.map((run) => {
      const times = run?.phases.filter((each) => each.phase === phase).map(({ durationMs }) => durationMs) ?? [];
      return times.length === 0 ? undefined : times.reduce((sum, each) => sum + each, 0);
    }),
  }));
}

function probeFigures(runs: readonly (CapturedRun | undefined)[]): ComparedFigure[] {
  const rows = new Map<string, ComparedFigure & { found: number[][]; ends: Set<string> }>();
  for (const [index, run] of runs.entries()) {
    for (const { probe, from, to, figures, isUngraded } of run?.cells ?? []) {
      // A destination's probe of itself is there as a control: it crosses no network.
      if (isUngraded) continue;
      for (const { what, unit, value } of figures) {
        const key = JSON.stringify([probe, what]);
        const row = rows.get(key) ?? {
          probe,
          from,
          to,
          what,
          unit,
          cells: 0,
          values: [],
          found: runs.map(() => []),
          ends: new Set<string>(),
        };
        rows.set(key, row);
        row.found[index]?.push(value);
        row.ends.add(`${from} ${to}`);
      }
    }
  }
  return [...rows.values()].map(({ found, ends, ...row }) => ({
    ...row,
    ...(ends.size > 1 ? { from: "", to: "" } : {}),
    cells: Math.max(...found.map((values) => values.length)),
    values: found.map(median),
  }));
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  if (upper === undefined || sorted.length % 2 === 1) return upper;
  return (upper + (sorted[middle - 1] ?? upper)) / 2;
}
