import { controlCell, controlSweepCells } from "./controls.ts";
import type { SelfControl } from "./controls.ts";
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
  const tries = cells.flatMap(({ flow, observation }, id) =>
    flow === undefined || observation !== undefined || flow.port === undefined || flow.protocol === "icmp"
      ? []
      : [{ id, from: flow.from, address: flow.address, port: flow.port, protocol: flow.protocol }],
  );
  const firstControl = cells.length;
  const byId = await sweep([...tries, ...controlSweepCells(controls, firstControl)], context);
  return [
    ...cells.map((cell, id) => {
      const result = byId.get(id);
      if (result === undefined || cell.flow === undefined || cell.flow.protocol === "icmp") return cell;
      return { ...cell, observation: observeSweepCell(result, cell.flow.protocol) };
    }),
    ...controls.map((control, index) => {
      const result = byId.get(firstControl + index);
      return controlCell(control, result === undefined ? undefined : observeSweepCell(result, control.protocol));
    }),
  ];
}
