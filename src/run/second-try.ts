import type { JudgedProbe, Observation } from "../grade/types.ts";
import type { RanCell, RanProbe } from "../probes/scheduler.ts";
import type { ProbeContext } from "../probes/types.ts";
import { cellId } from "./cell-id.ts";

/** What is looked at once more before anything is judged for good. */
export interface Repeat {
  /** Names of the probes with a failed cell. */
  probes: ReadonlySet<string>;
  /** Of their matrices: the sources with a failed cell to a destination; other cells stay as the first try saw them. */
  only: NonNullable<ProbeContext["only"]>;
}

/** The failed cells, as the second try is told of them. */
export function cellsToRepeat(judged: readonly JudgedProbe[]): Repeat {
  const probes = new Set<string>();
  const sources = new Map<string, Set<string>>();
  for (const { name, cells, notEnforceable } of judged) {
    if (notEnforceable !== undefined) continue;
    for (const { key, verdict } of cells) {
      if (verdict !== "fail") continue;
      probes.add(name);
      const at = destinationOf(key.to, key.port, key.protocol);
      let known = sources.get(at);
      if (known === undefined) sources.set(at, (known = new Set()));
      known.add(key.from);
    }
  }
  return { probes, only: (to, port, protocol) => sources.get(destinationOf(to, port, protocol)) };
}

function destinationOf(to: string, port: number | undefined, protocol: string | undefined): string {
  return `${to} ${port} ${protocol}`;
}

/**
 * The first results with the second try's observation in each cell that had failed. What the first try saw stays as
 * evidence when it differs: a leak that closed late must not pass unseen.
 */
export function mergeSecondTry(
  first: readonly RanProbe[],
  second: readonly RanProbe[],
  judged: readonly JudgedProbe[],
): RanProbe[] {
  return first.map((probe) => {
    const again = second.find(({ name }) => name === probe.name);
    const verdicts = judged.find(({ name }) => name === probe.name);
    if (again === undefined || verdicts === undefined) return probe;
    const failed = new Set(verdicts.cells.filter(({ verdict }) => verdict === "fail").map(({ key }) => cellId(key)));
    const repeated = new Map(again.cells.map((cell) => [cellId(cell.key), cell]));
    const cells = probe.cells.map((cell) => {
      const later = failed.has(cellId(cell.key)) ? repeated.get(cellId(cell.key)) : undefined;
      return later === undefined ? cell : combineTries(cell, later);
    });
    return { ...probe, cells, durationMs: probe.durationMs + again.durationMs };
  });
}

/** Cells whose two tries saw different things, as `from → to` with both outcomes. */
export function unsteadyCells(first: readonly RanProbe[], merged: readonly RanProbe[]): string[] {
  return merged.flatMap((probe, index) =>
    probe.cells.flatMap((cell, at) => {
      const before = first[index]?.cells[at]?.observation?.outcome;
      const after = cell.observation?.outcome;
      if (before === after) return [];
      return [
        `${cell.key.from} → ${cell.key.to}${cell.key.port === undefined ? "" : `:${cell.key.port}`} was ${before ?? "not seen"}, then ${after ?? "not seen"}`,
      ];
    }),
  );
}

/** What the later try saw, with what the first saw as evidence where that is something else. */
export function combineTries(cell: RanCell, later: RanCell): RanCell {
  const { observation: first } = cell;
  const { observation: second } = later;
  if (first === undefined || second === undefined) return later;
  const merged: Observation = { ...second, tries: first.tries + second.tries };
  if (first.outcome !== second.outcome) {
    merged.evidence = [
      { kind: "note", text: `the first try saw ${first.outcome}: ${first.reason}` },
      ...second.evidence,
    ];
  }
  return { ...later, observation: merged };
}
