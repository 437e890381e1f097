import * as z from "zod";
import type { Evidence } from "../grade/types.ts";
import { endpointField, familyField, portField } from "../lab/fields.ts";
import { formatEndpointRef } from "../lab/refs.ts";
import type { EndpointRef } from "../plan/types.ts";
import type { ResolvedSource } from "../providers/source.ts";
import { controlCell, controlSweepCells, selfControls } from "./controls.ts";
import type { SelfControl } from "./controls.ts";
import { resolveNamedTarget } from "./named-target.ts";
import { cellKey, observed } from "./observe.ts";
import { flowTo, probeSource } from "./resolve.ts";
import type { ResolvedTarget } from "./resolve.ts";
import { observeSweepCell } from "./sweep-observation.ts";
import { sweep } from "./sweep.ts";
import { connectWithTool } from "./tcp-tool.ts";
import type { ProbeContext, ProbedCell } from "./types.ts";

/** Options of `tcp` and `udp`. */
export const connectOptions = z.strictObject({
  from: endpointField().optional().describe("Who opens the connection; may stand beside the kind's key instead"),
  to: endpointField().describe("Pod, workload, Service, node/NAME, external, IP address or name"),
  port: portField().describe("Port number; of the Service, where `to` is one"),
  family: familyField(),
});

/** What {@link connectOptions} produces. */
export type ConnectOptions = z.output<typeof connectOptions>;

/** References of `tcp` and `udp` probes. */
export function connectReferences({ from, to }: ConnectOptions): EndpointRef[] {
  return from === undefined ? [to] : [from, to];
}

/**
 * One connection (tcp) or datagram (udp) by the same prober as the matrix, so that a named probe and a matrix cell
 * cannot disagree on what an outcome means, with the destination's probe of itself in the same sweep as its control.
 */
export async function probeConnection(
  protocol: "tcp" | "udp",
  options: ConnectOptions,
  ref: EndpointRef | undefined,
  context: ProbeContext,
): Promise<ProbedCell[]> {
  const { to, port, family } = options;
  const key = cellKey(ref ?? options.from, formatEndpointRef(to), { port, protocol });
  return observed(key, context.signal, async () => {
    const aim = { port, protocol, family };
    const from = probeSource(ref ?? options.from, context);
    const named = await resolveNamedTarget(to, aim, from, context);
    if ("failed" in named) return [{ key, ...named.failed }];
    return probeAddress(key, named.target, aim, from, named.evidence, context);
  });
}

/** The flow of {@link probeConnection} and its controls, not probed. Throws what keeps it from being known. */
export async function connectionFlows(
  protocol: "tcp" | "udp",
  { from: inside, to, port, family }: ConnectOptions,
  ref: EndpointRef | undefined,
  context: ProbeContext,
): Promise<{ cells: ProbedCell[]; controls: SelfControl[] }> {
  const aim = { port, protocol, family };
  const from = probeSource(ref ?? inside, context);
  const key = cellKey(ref ?? inside, formatEndpointRef(to), { port, protocol });
  const named = await resolveNamedTarget(to, aim, from, context);
  if ("failed" in named) return { cells: [{ key, ...named.failed }], controls: [] };
  const { target } = named;
  const cell: ProbedCell = { key, flow: flowTo(target, aim, from), destination: target.identity };
  return { cells: [cell], controls: selfControls(target, port, protocol) };
}

async function probeAddress(
  key: ProbedCell["key"],
  target: ResolvedTarget & { address: string },
  aim: { port: number; protocol: "tcp" | "udp" },
  from: ResolvedSource,
  notes: Evidence[],
  context: ProbeContext,
): Promise<ProbedCell[]> {
  const { port, protocol } = aim;
  const { address } = target;
  const controls = selfControls(target, port, protocol);
  const flow = flowTo(target, aim, from);
  const sweeping = sweep(
    [{ id: 0, from: from.source, address, port, protocol }, ...controlSweepCells(controls, 1)],
    context,
  );
  const showing = async (): Promise<Evidence[]> => {
    const decided = sweeping.then((cells) => {
      const own = cells.get(0);
      return { waitedInVain: own?.outcome === "no-answer" && own.proof === undefined };
    });
    return connectWithTool(target, port, from, context, decided);
  };
  const [byId, tool] = await Promise.all([sweeping, protocol === "tcp" ? showing() : []]);
  const result = byId.get(0);
  const cell: ProbedCell = { key, flow, destination: target.identity };
  if (result !== undefined) {
    const seen = observeSweepCell(result, protocol);
    const socket: Evidence = {
      kind: "note",
      text: `${protocol} from ${from.name} to ${address}:${port}: ${result.detail} after ${result.latencyMs.toFixed(1)} ms`,
    };
    cell.observation = { ...seen, evidence: [...notes, socket, ...seen.evidence, ...tool] };
  }
  return [
    cell,
    ...controls.map((control, index) => {
      const own = byId.get(index + 1);
      return controlCell(control, own === undefined ? undefined : observeSweepCell(own, protocol));
    }),
  ];
}
