import type { Cell, PositiveControl, ProbeResult } from "./types.ts";

/** An answer that was seen, as the run record keeps it for a later grade. */
export interface RecordedControl {
  /** From {@link controlKey}. */
  destination: string;
  from: string;
  /** The source is the destination. */
  isLoopback: boolean;
  /** ISO 8601. */
  at: string;
}

/** Answers kept for each destination: one would do; the second lets a cell be shown a source other than its own. */
const KEPT_EACH_DESTINATION = 2;

/**
 * What must be equal for one cell's answer to vouch for another's destination: server, port and protocol; for probes
 * without a port the kind too, so that a name that resolves never vouches for a ping.
 */
export function controlKey(kind: string, cell: Cell): string {
  const { to, port, protocol } = cell.key;
  return [cell.destination ?? to, port ?? "-", protocol ?? kind].join(" ");
}

/** The answers among these results, a few for each destination, other sources before the destination itself. */
export function recordControls(probes: readonly ProbeResult[], at: string): RecordedControl[] {
  const answers = probes.flatMap(({ kind, cells }) =>
    cells
      // A refusal is no control: RST and ICMP come from hosts on which nothing listens.
      .filter(({ observation }) => observation?.outcome === "allowed")
      .map((cell) => ({
        destination: controlKey(kind, cell),
        from: cell.key.from,
        isLoopback: cell.key.from === cell.key.to,
        at,
      })),
  );
  return [...byDestination(answers).values()].flatMap(keepFew);
}

/** Earlier answers with later ones: for each destination the latest are kept. */
export function mergeControls(
  earlier: readonly RecordedControl[],
  later: readonly RecordedControl[],
): RecordedControl[] {
  return [...byDestination([...later, ...earlier]).values()].flatMap(keepFew);
}

/**
 * Gives every cell that got no answer the best control there is: another source in this run, the destination itself,
 * this source before, anyone before. A source's own answer in the same run is none: it would contradict the cell. What
 * answered before counts no more once the destination refuses itself: its server is gone. During a fault the control is the cell's own
 * answer without it.
 */
export function attachControls(
  probes: readonly ProbeResult[],
  earlier: readonly RecordedControl[],
  at: string,
): ProbeResult[] {
  const now = byDestination(recordControls(probes, at));
  const before = byDestination(earlier);
  const gone = refusedThemselves(probes);
  return probes.map((probe) => ({
    ...probe,
    cells: probe.cells.map((cell) => {
      if (cell.observation === undefined || cell.observation.outcome === "allowed") return cell;
      const key = controlKey(probe.kind, cell);
      if (probe.phase?.when === "during") return withOwnControl(cell);
      const control = findControl(cell.key.from, now.get(key) ?? [], gone.has(key) ? [] : (before.get(key) ?? []));
      return control === undefined ? cell : { ...cell, control };
    }),
  }));
}

function withOwnControl(cell: Cell): Cell {
  const { key, withoutFault } = cell;
  if (withoutFault?.outcome !== "allowed") return cell;
  return { ...cell, control: { by: "before", from: key.from, at: withoutFault.at } };
}

function findControl(
  from: string,
  now: readonly RecordedControl[],
  before: readonly RecordedControl[],
): PositiveControl | undefined {
  const others = now.filter((control) => control.from !== from);
  const found =
    others.find(({ isLoopback }) => !isLoopback) ??
    others[0] ??
    before.find((control) => control.from === from) ??
    before[0];
  if (found === undefined) return undefined;
  const by = found.isLoopback ? "itself" : found.from === from ? "before" : "another-source";
  return { by, from: found.from, at: found.at };
}

function refusedThemselves(probes: readonly ProbeResult[]): Set<string> {
  return new Set(
    probes.flatMap(({ kind, cells, phase }) =>
      cells
        // What a server refuses during a fault says nothing of the time after.
        .filter(() => phase?.when !== "during")
        .filter(({ key, observation }) => key.from === key.to && observation?.outcome === "rejected")
        .map((cell) => controlKey(kind, cell)),
    ),
  );
}

function keepFew(controls: readonly RecordedControl[]): RecordedControl[] {
  const sources = new Map<string, RecordedControl>();
  for (const control of controls.toSorted((a, b) => Number(a.isLoopback) - Number(b.isLoopback))) {
    if (!sources.has(control.from)) sources.set(control.from, control);
  }
  return [...sources.values()].slice(0, KEPT_EACH_DESTINATION);
}

function byDestination(controls: readonly RecordedControl[]): Map<string, RecordedControl[]> {
  const groups = new Map<string, RecordedControl[]>();
  for (const control of controls) {
    const group = groups.get(control.destination);
    if (group === undefined) groups.set(control.destination, [control]);
    else group.push(control);
  }
  return groups;
}
