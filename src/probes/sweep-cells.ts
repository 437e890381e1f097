import { extended } from "../core/extended.ts";
import { controlCell, controlSweepCells } from "./controls.ts";
import type { SelfControl } from "./controls.ts";
import type { SweepCell, SweepCellResult } from "../providers/types.ts";
import { observeSweepCell } from "./sweep-observation.ts";
import { sweep } from "./sweep.ts";
import type { ProbeContext, ProbedCell } from "./types.ts";

/**
 * Probes the cells that have a flow and no observation yet, and the controls, in one sweep; the others come back as they
 * are, and a cell that the sweep left out stays without an observation, which grades as inconclusive. Cells first.
 */
export async function sweepCells(
  cells: readonly ProbedCell[],
  controls: readonly SelfControl[],
  context: ProbeContext,
): Promise<ProbedCell[]> {
  const tries = cells.flatMap((cell, id) => (cell.observation === undefined ? tryOf(cell, id) : []));
  const firstControl = cells.length;
  const byId = await sweep([...tries, ...controlSweepCells(controls, firstControl)], context);
  return [
    ...cells.map((cell, id) => seenAs(cell, byId.get(id))),
    ...controls.map((control, index) => {
      const result = byId.get(firstControl + index);
      return controlCell(control, result === undefined ? undefined : observeSweepCell(result, control.protocol));
    }),
  ];
}

/** Probes cells once more, those that have a flow; all come back in their order, and none shows what was seen of it before. */
export async function sweepAgain(cells: readonly ProbedCell[], context: ProbeContext): Promise<ProbedCell[]> {
  const tries = cells.flatMap(tryOf);
  const ofTries = new Set(tries.map(({ id }) => id));
  const byId = await sweep(tries, context);
  return cells.map((cell, id) => {
    const result = byId.get(id);
    if (result !== undefined || !ofTries.has(id)) return seenAs(cell, result);
    const { observation: _, ...unseen } = cell;
    return unseen;
  });
}

function tryOf({ flow }: ProbedCell, id: number): SweepCell[] {
  if (flow?.port === undefined || flow.protocol === "icmp") return [];
  return [{ id, from: flow.from, address: flow.address, port: flow.port, protocol: flow.protocol }];
}

function seenAs(cell: ProbedCell, result: SweepCellResult | undefined): ProbedCell {
  if (result === undefined || cell.flow === undefined || cell.flow.protocol === "icmp") return cell;
  return extended(cell, { observation: observeSweepCell(result, cell.flow.protocol) });
}
