import type { RanCell } from "../probes/scheduler.ts";

/** Cells of a matrix that still hold, found by their ends and port. */
export class KeptCells {
  private readonly byPort = new Map<string, Map<string, Map<string, RanCell>>>();

  /** All of these but the ones to be probed again. */
  constructor(cells: readonly RanCell[], without: ReadonlySet<RanCell>) {
    for (const cell of cells) {
      const { from, to, port, protocol } = cell.key;
      if (port === undefined || without.has(cell)) continue;
      const name = `${port}/${protocol}`;
      let destinations = this.byPort.get(name);
      if (destinations === undefined) this.byPort.set(name, (destinations = new Map<string, Map<string, RanCell>>()));
      let sources = destinations.get(to);
      if (sources === undefined) destinations.set(to, (sources = new Map<string, RanCell>()));
      sources.set(from, cell);
    }
  }

  get(from: string, to: string, port: number, protocol: "tcp" | "udp"): RanCell | undefined {
    return this.byPort.get(`${port}/${protocol}`)?.get(to)?.get(from);
  }
}

/** Cells of a matrix that are to be probed, as probes ask for them. */
export class CellChoice {
  private readonly byDestination = new Map<string, Map<string, Set<string>>>();

  constructor(cells: Iterable<RanCell>) {
    for (const { key } of cells) {
      const { from, to, port, protocol } = key;
      let ports = this.byDestination.get(to);
      if (ports === undefined) this.byDestination.set(to, (ports = new Map<string, Set<string>>()));
      const name = `${port}/${protocol}`;
      const sources = ports.get(name);
      if (sources === undefined) ports.set(name, new Set([from]));
      else sources.add(from);
    }
  }

  /** The sources of which a destination is probed; undefined where there is none. */
  readonly sources = (to: string, port: number, protocol: "tcp" | "udp"): ReadonlySet<string> | undefined =>
    this.byDestination.get(to)?.get(`${port}/${protocol}`);
}
