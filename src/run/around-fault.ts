import { LabError, type Span } from "../core/errors.ts";
import type { PlannedProbe } from "../plan/types.ts";
import { probeKinds } from "../probes/registry.ts";
import { PROBE_BOUND_MS, type RanCell, type RanProbe } from "../probes/scheduler.ts";
import type { ProbeKind } from "../probes/types.ts";
import { isApiFault, type Fault } from "../providers/fault.ts";
import type { Cluster } from "../providers/types.ts";
import { makeApiFault } from "../scenarios/api-fault.ts";
import { describeFault } from "../scenarios/faults-there.ts";
import { cellId } from "./cell-id.ts";
import { ChangeWatch } from "./change-watch.ts";
import { untilAborted } from "./phases.ts";
import type { ProbeBench } from "./probe-bench.ts";
import { settleTimeoutMs } from "./scenario.ts";
import { settleFirst } from "./settle-first.ts";
import type { TimedFault } from "./timed-probes.ts";
import { untilExpected } from "./until-expected.ts";

/** The longest that a fault may be asked for. */
const longestHoldMs = 3_600_000;

/**
 * Makes the fault, runs the probes during it, those with a time again and again, restores it, whatever becomes of them, and runs those
 * after it. What is to get no answer is tried without the fault first: silence that was there before says nothing of the fault.
 */
export async function aroundFault(timed: TimedFault, bench: ProbeBench): Promise<RanProbe[]> {
  const during = timed.during.filter((probe) => !watches(probe));
  const after = timed.after.filter((probe) => !watches(probe));
  const before = await bench.run(during.filter(({ expect }) => expect === "blocked" || expect === "rejected"));
  const at = bench.context.now().toISOString();
  const watched: RanProbe[] = [];
  const seen = await whileBroken(timed, bench, watched, async () => {
    const madeMs = bench.context.monotonicMs();
    await settled(bench);
    const atOnce = await bench.runTwice(during.filter(({ withinMs }) => withinMs === undefined));
    const inTime = await untilExpected(
      during.filter(({ withinMs }) => withinMs !== undefined),
      bench,
      () => bench.context.monotonicMs() - madeMs,
    );
    return [...atOnce, ...inTime];
  });
  const restoredMs = bench.context.monotonicMs();
  const recovered = await untilExpected(
    after.filter(({ withinMs }) => withinMs !== undefined),
    bench,
    () => bench.context.monotonicMs() - restoredMs,
  );
  await settled(bench);
  const later = await bench.runTwice(after.filter(({ withinMs }) => withinMs === undefined));
  return [...watched, ...seen.map((probe) => withoutFault(probe, before, at)), ...recovered, ...later];
}

function watches({ kind }: PlannedProbe): boolean {
  return (probeKinds as Record<string, ProbeKind>)[kind]?.watches === true;
}

/**
 * The fault also ends with this process, or with a time that no probes outlast. What probes saw that watch it being made or restored goes to
 * `watched`. Rejects with FAULT_NOT_RESTORED where it stays.
 */
async function whileBroken<T>(
  { name, fault, span, during, after }: TimedFault,
  bench: ProbeBench,
  watched: RanProbe[],
  act: () => Promise<T>,
): Promise<T> {
  const { request, context } = bench;
  const { cluster, phase } = request;
  const tell = (message: string): void => context.emit({ type: "progress", phase, message });
  const waitsMs = Math.max(0, ...during.map(({ withinMs }) => withinMs ?? 0));
  const probes = during.length + after.filter(watches).length;
  const durationMs = Math.min(longestHoldMs, 2 * settleTimeoutMs + 2 * PROBE_BOUND_MS * probes + waitsMs);
  const { make, mend } = handsOf(fault, { cluster, durationMs, signal: context.signal, span });
  context.signal.throwIfAborted();
  const watch = (probes: readonly PlannedProbe[]): ChangeWatch =>
    new ChangeWatch(probes.filter(watches), (probe, change) => bench.watch(probe, change, longestHoldMs));
  const [breaking, mending] = [watch(during), watch(after)];
  let failure: { error: unknown } | undefined;
  try {
    await mending.sampled();
    await breaking.make(make);
    tell(`${name}: ${describeFault(fault)}`);
    watched.push(...(await breaking.results()));
    return await act();
  } catch (error) {
    failure = { error };
    breaking.cancel(error);
    mending.cancel(error);
    throw error;
  } finally {
    await (failure === undefined ? mending.make(mend) : mend()).catch((cause: unknown) => {
      const why = cause instanceof Error ? cause.message : String(cause);
      const earlier = failure === undefined ? "" : `; before that: ${String(failure.error)}`;
      throw new LabError("FAULT_NOT_RESTORED", `the fault ${name} could not be restored: ${why}${earlier}`, {
        hint: "`cnilab down` removes the lab with it",
        ...(span === undefined ? {} : { span }),
        cause,
      });
    });
    if (!isApiFault(fault)) tell(`${name}: restored`);
    // Nothing may still be at work in the cluster when this ends.
    const mended = mending.results();
    await Promise.allSettled([breaking.results(), mended]);
    if (failure === undefined) watched.push(...(await mended));
  }
}

interface Hands {
  make(): Promise<void>;
  mend(): Promise<void>;
}

/** What makes the fault and takes it back; what is a change of objects is over when it is made. */
function handsOf(
  fault: Fault,
  {
    cluster,
    durationMs,
    signal,
    span,
  }: { cluster: Cluster; durationMs: number; signal: AbortSignal; span: Span | undefined },
): Hands {
  if (isApiFault(fault))
    return { make: async () => void (await makeApiFault(fault, cluster, signal)), mend: async () => undefined };
  const { fault: make, restore } = cluster;
  if (make === undefined || restore === undefined) {
    throw new LabError("SCENARIO_NO_FAULTS", "this provider cannot break nodes", {
      hint: "cnilab list -o json says where a lab runs",
      ...(span === undefined ? {} : { span }),
    });
  }
  return {
    make: () => make.call(cluster, { ...fault, durationMs }, { whileHere: true }),
    mend: () => restore.call(cluster, fault),
  };
}

/** What was changed is in effect, and the cluster's objects are known as they are then. */
async function settled(bench: ProbeBench): Promise<void> {
  const { context, request } = bench;
  await untilAborted(() => settleFirst(request.cluster, context), context.signal);
  await bench.look();
}

/** A workload may start from another pod during the fault: what the one cell of a probe saw is then held against its one cell before. */
function withoutFault(probe: RanProbe, before: readonly RanProbe[], at: string): RanProbe {
  const earlier = before.find(({ name }) => name === probe.name)?.cells ?? [];
  const isOne = earlier.length === 1 && probe.cells.length === 1;
  const cells = probe.cells.map((cell): RanCell => {
    const seen = earlier.find(({ key }) => isOne || cellId(key) === cellId(cell.key))?.observation;
    if (seen === undefined) return cell;
    const { outcome, reason, tries } = seen;
    return { ...cell, withoutFault: { outcome, reason, tries, at } };
  });
  return { ...probe, cells };
}
