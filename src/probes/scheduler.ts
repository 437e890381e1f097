import pLimit, { type LimitFunction } from "p-limit";
import { asError } from "../core/as-error.ts";
import { LabError } from "../core/errors.ts";
import { sharedSignal } from "../core/shared-signal.ts";
import type { Cell, ProbePhase, ProbeResult } from "../grade/types.ts";
import { enforcedWithin } from "../lab/enforced-within.ts";
import { formatEndpointRef } from "../lab/refs.ts";
import type { PlannedProbe } from "../plan/types.ts";
import { resolveSource } from "../providers/source.ts";
import type { Flow } from "../providers/types.ts";
import { expectationText } from "./expectation-text.ts";
import { cellKey, errorObservation } from "./observe.ts";
import { probeKinds } from "./registry.ts";
import { rerunCommand } from "./rerun.ts";
import type { ProbeContext, ProbedCell, ProbeKind } from "./types.ts";

/** Tools that run at once where they take a moment each: a process, on hosts of few cores. */
const AT_ONCE = 4;
/** Where a flow that is dropped has its tool wait for the deadline. */
const AT_ONCE_WAITING = 16;
/** Longest that one probe may take, whatever its tools do. */
export const PROBE_BOUND_MS = 120_000;

/** A cell with the flow that the oracle is asked about. */
export interface RanCell extends Cell {
  flow?: Flow;
}

/** A probe's result with what later steps need to complete it. */
export interface RanProbe extends ProbeResult {
  cells: RanCell[];
  /** As planned. */
  probe: PlannedProbe;
}

export interface RunProbesOptions {
  /** What the user calls the lab, for the command that reruns a probe; default its name. */
  lab?: string;
  /** By default the registry's. */
  kinds?: Readonly<Record<string, ProbeKind>>;
  /** Default 120 s. */
  probeBoundMs?: number;
  /** Called as each ends, in the order in which they end. */
  onProbe?: (result: RanProbe) => void;
}

/**
 * Runs probes and returns their results in the order given: those of different sources side by side (of all sources where no drops are
 * recorded), an `exclusive` kind with none beside it, after the others. A probe that throws or outlives its bound becomes one cell with an `error` observation.
 * Rejects only when `context.signal` is aborted. Expectations are copied as planned: `policy` is resolved by the run.
 */
export async function runProbes(
  probes: readonly PlannedProbe[],
  context: ProbeContext,
  options: RunProbesOptions = {},
): Promise<RanProbe[]> {
  const kinds: Readonly<Record<string, ProbeKind>> = options.kinds ?? probeKinds;
  const { recordsDrops = false } = context.cluster;
  const limit = pLimit(recordsDrops ? AT_ONCE : AT_ONCE_WAITING);
  const turns = new Map<string, LimitFunction>();
  const results = new Map<number, RanProbe>();
  const runOne = async (probe: PlannedProbe, index: number): Promise<void> => {
    context.signal.throwIfAborted();
    const result = await runProbe(probe, kindOf(probe, kinds), context, options);
    results.set(index, result);
    options.onProbe?.(result);
  };
  const indexed = probes.map((probe, index) => ({ probe, index }));
  const isExclusive = ({ probe }: { probe: PlannedProbe }): boolean => {
    const exclusive = kindOf(probe, kinds)?.exclusive;
    return exclusive === "links" || (exclusive === "drop-records" && recordsDrops);
  };
  const inTurn = async ({ probe, index }: (typeof indexed)[number]): Promise<void> => {
    if (!recordsDrops) return limit(runOne, probe, index);
    const source = sourceName(probe, context);
    const turn = turns.get(source) ?? pLimit(1);
    turns.set(source, turn);
    await turn(() => limit(runOne, probe, index));
  };
  const ends = await Promise.allSettled(indexed.filter((each) => !isExclusive(each)).map(inTurn));
  // Settled and not all: nothing of an aborted run may still be at work in the cluster when it rejects.
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  for (const { probe, index } of indexed.filter(isExclusive)) await runOne(probe, index);
  return probes.flatMap((_, index) => results.get(index) ?? []);
}

/**
 * Whose turn a probe takes: those of one source run one after another, because the kernel's records of drops name the two
 * ends only, and one probe's drop would be taken for another's.
 */
function sourceName({ from }: PlannedProbe, { objects }: ProbeContext): string {
  if (from === undefined) return "";
  try {
    return resolveSource(from, objects).name;
  } catch (error) {
    // The probe itself reports what is wrong with its source.
    if (error instanceof LabError) return formatEndpointRef(from);
    throw error;
  }
}

function kindOf(probe: PlannedProbe, kinds: Readonly<Record<string, ProbeKind>>): ProbeKind | undefined {
  return Object.hasOwn(kinds, probe.kind) ? kinds[probe.kind] : undefined;
}

async function runProbe(
  probe: PlannedProbe,
  kind: ProbeKind | undefined,
  context: ProbeContext,
  { lab = context.plan.lab.name, probeBoundMs = PROBE_BOUND_MS }: RunProbesOptions,
): Promise<RanProbe> {
  const startedAt = performance.now();
  const cells = await probeWithin(probe, kind, context, probeBoundMs);
  const { name, span, points, hint } = probe;
  const phase = phaseOf(probe);
  return {
    name,
    kind: probe.kind,
    ...(span === undefined ? {} : { span }),
    ...(points === undefined ? {} : { points }),
    ...(hint === undefined ? {} : { hint }),
    ...(phase === undefined ? {} : { phase }),
    expectText: expectationText(probe.expect),
    cells: cells.map((cell) => finishCell(cell, probe, lab)),
    durationMs: performance.now() - startedAt,
    probe,
  };
}

function phaseOf({ during, after }: PlannedProbe): ProbePhase | undefined {
  if (during !== undefined) return { when: "during", fault: during };
  return after === undefined ? undefined : { when: "after", fault: after };
}

async function probeWithin(
  probe: PlannedProbe,
  kind: ProbeKind | undefined,
  context: ProbeContext,
  boundMs: number,
): Promise<ProbedCell[]> {
  const bound = new AbortController();
  const signal = sharedSignal(AbortSignal.any([context.signal, bound.signal]));
  const timer = setTimeout(
    () => bound.abort(new LabError("PROBE_TOOK_TOO_LONG", `the probe did not end within ${boundMs / 1000} s`)),
    boundMs,
  );
  try {
    if (kind === undefined)
      throw new LabError("PROBE_UNKNOWN_KIND", `there is no probe kind ${JSON.stringify(probe.kind)}`);
    if (context.enforcement !== undefined && enforcedWithin(probe.expect) !== undefined)
      return [context.enforcement(probe)];
    return await orAborted(kind.run(probe.options, probe.from, { ...context, signal }), signal);
  } catch (error) {
    context.signal.throwIfAborted();
    return [{ key: cellKey(probe.from, probe.name), observation: errorObservation(error) }];
  } finally {
    clearTimeout(timer);
  }
}

/** A kind should end on the signal by itself; this holds where one does not. */
async function orAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(asError(signal.reason));
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Whether its cells can be probed one by one. */
function hasCells({ kind, expect }: PlannedProbe): boolean {
  return kind === "matrix" && enforcedWithin(expect) === undefined;
}

/** Cells of controls expect nothing. What was known from before is finished already. */
function finishCell(cell: ProbedCell | RanCell, probe: PlannedProbe, lab: string): RanCell {
  if ("rerun" in cell) return cell;
  const { key, expected, observation, flow, evidence = [], destination, ungraded } = cell;
  const wanted = expected ?? (ungraded === undefined ? probe.expect : undefined);
  const seen = observation && { ...observation, evidence: [...observation.evidence, ...evidence] };
  return {
    key,
    // The one cell of a matrix that failed as a whole has no ends to choose.
    rerun: rerunCommand(lab, probe.name, hasCells(probe) && key.to !== probe.name ? key : undefined),
    ...(wanted === undefined ? {} : { expected: wanted }),
    ...(seen === undefined ? {} : { observation: seen }),
    ...(flow === undefined ? {} : { flow }),
    ...(destination === undefined ? {} : { destination }),
    ...(ungraded === undefined ? {} : { ungraded }),
  };
}
