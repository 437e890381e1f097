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
