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
 *
 * A cell that was judged untouched stays in the grade: where its ends are gone it is added as never probed, else deleting
 * a pod would take away what it should have shown (`rerunOf` gives the command that runs its probe again); and it is graded although it would not be by what is seen now.
 */
export function attachBaseline(
  probes: readonly ProbeResult[],
  baseline: readonly BaselineCell[],
  stableName: StableName = unchanged,
  rerunOf: (probe: string) => string = () => "",
): ProbeResult[] {
  const entries = new Map(baseline.map((entry) => [entryKey(entry.probe, entry.cell), entry]));
  return probes.map((probe) => {
    const own = baseline.filter((entry) => entry.probe === probe.name);
    if (own.length === 0) return probe;
    const knownEnds = new Set(own.flatMap(({ cell }) => endsOf(cell)));
    const seen = new Set<string>();
    const cells = probe.cells.map((cell) => {
      // A destination's probe of itself shares its name with one replica's probe of another.
      if (cell.ungraded !== undefined && cell.key.from === cell.key.to) return cell;
      const id = cellId(cell, stableName);
      seen.add(id);
      const entry = entries.get(entryKey(probe.name, id));
      if (entry?.passed !== undefined) {
        const { ungraded: _, ...graded } = cell;
        return { ...graded, passedBefore: entry.passed };
      }
      const isNew = endsOf(id).some((end) => !knownEnds.has(end));
      return isNew ? { ...cell, isNew } : cell;
    });
    const gone = own.filter(isJudged).filter(({ cell }) => !seen.has(cell));
    return { ...probe, cells: [...cells, ...gone.map((entry) => goneCell(entry, rerunOf(probe.name)))] };
  });
}

function isJudged(entry: BaselineCell): entry is Required<BaselineCell> {
  return entry.passed !== undefined;
}

function goneCell({ cell, passed }: Required<BaselineCell>, rerun: string): Cell {
  const [from, to] = endsOf(cell);
  const [port, protocol] = cell.split(" ").slice(-2);
  return {
    key: {
      from,
      to,
      ...(port === "-" ? {} : { port: Number(port) }),
      ...(protocol === "tcp" || protocol === "udp" ? { protocol } : {}),
    },
    rerun,
    passedBefore: passed,
  };
}

/** Source and destination of a {@link cellId}; a source never has a space in it, a destination may. */
function endsOf(cell: string): [string, string] {
  const space = cell.indexOf(" ");
  return [
    cell.slice(0, space),
    cell
      .slice(space + 1)
      .split(" ")
      .slice(0, -2)
      .join(" "),
  ];
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
