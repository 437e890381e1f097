import { closeSync } from "node:fs";
import { LabError } from "../../../core/errors.ts";
import type { Source, SweepCellResult } from "../../types.ts";
import { packResults, type PackedCells, type PackedSweepResult } from "../packed-sweep.ts";
import { JsonText } from "../protocol.ts";
import type { Places } from "./places.ts";
import type { Sweeper } from "./sweeper.ts";
import type { SweepRequest } from "./sweep-worker.ts";

/** A cell whose source is not there is an error of that cell alone. What the threads wrote is put together as it is. */
export async function sweepPacked(
  { sources, destinations, cells }: PackedCells,
  from: Places,
  sweeper: Sweeper,
  request: Omit<SweepRequest, "id" | "targets" | "isSoon">,
): Promise<JsonText<PackedSweepResult>> {
  const opened = sources.map((source) => openNamespace(source, from));
  try {
    const [places, netnsFds, to]: [number[], number[], number[]] = [[], [], []];
    const failed: SweepCellResult[] = [];
    for (let place = 0; 2 * place < cells.length; place++) {
      const source = opened[cells[2 * place] ?? -1];
      if (typeof source === "number") {
        places.push(place);
        netnsFds.push(source);
        to.push(cells[2 * place + 1] ?? -1);
      } else {
        const detail = source?.message ?? "it has no source";
        failed.push({ id: place, outcome: "error", detail, latencyMs: 0 });
      }
    }
    const targets = {
      places: Int32Array.from(places),
      netnsFds: Int32Array.from(netnsFds),
      to: Int32Array.from(to),
      destinations,
    };
    const parts = await sweeper.sweep({ ...request, targets });
    const texts = parts.map(({ results }) => results);
    if (failed.length > 0) texts.push(JSON.stringify(packResults(failed)));
    const durationMs = Math.max(...parts.map((part) => part.durationMs));
    const retransmits = parts.reduce((sum, part) => sum + part.retransmits, 0);
    return new JsonText(`{"parts":[${texts.join()}],"durationMs":${durationMs},"retransmits":${retransmits}}`);
  } finally {
    for (const source of opened) if (typeof source === "number") closeSync(source);
  }
}

/** A descriptor of its own: the prober's thread must not meet another namespace under a number that was freed. */
function openNamespace(source: Source, from: Places): number | LabError {
  try {
    return from.namespaceOf(source).duplicate();
  } catch (error) {
    if (error instanceof LabError) return error;
    throw error;
  }
}
