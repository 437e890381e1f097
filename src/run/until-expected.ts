import { setTimeout as sleep } from "node:timers/promises";
import type { RecoveryTry } from "../grade/types.ts";
import type { PlannedProbe } from "../plan/types.ts";
import type { RanCell, RanProbe } from "../probes/scheduler.ts";
import { cellId } from "./cell-id.ts";
import type { ProbeBench } from "./probe-bench.ts";

/** Between two tries of a probe that is refused at once. */
const pauseMs = 100;

/**
 * Runs probes until each is as expected or its time is over, all side by side; one that cannot be judged is not tried again. `elapsedMs` is since
 * its time began. A round begins at least `everyMs` after the one before. Rejects when the signal is aborted.
 */
export async function untilExpected(
  probes: readonly PlannedProbe[],
  bench: ProbeBench,
  elapsedMs: () => number,
  everyMs = 0,
): Promise<RanProbe[]> {
  const found = new Map<string, RanProbe>();
  let open = probes;
  while (open.length > 0) {
    const beganMs = elapsedMs();
    await bench.look();
    const ends = new Map<string, number>();
    const ran = await bench.run(open, (name) => ends.set(name, elapsedMs()));
    for (const probe of ran) {
      const attempt = { atMs: ends.get(probe.name) ?? elapsedMs(), ...verdictOf(probe, bench) };
      found.set(probe.name, withTry(probe, found.get(probe.name), attempt));
    }
    open = open.filter(({ name, withinMs = 0 }) => {
      const last = found.get(name)?.recovery?.tries.at(-1);
      return last?.verdict === "fail" && last.atMs < withinMs;
    });
    if (open.length > 0) await sleep(Math.max(pauseMs, everyMs - (elapsedMs() - beganMs)));
    bench.context.signal.throwIfAborted();
  }
  return [...found.values()];
}

function verdictOf(probe: RanProbe, bench: ProbeBench): Pick<RecoveryTry, "verdict" | "reason"> {
  const [judged] = bench.judge([probe]).grade.probes;
  const told = judged?.cells.find(({ verdict }) => verdict !== "pass") ?? judged?.cells[0];
  return { verdict: judged?.verdict ?? "inconclusive", reason: told?.reason ?? "nothing was probed" };
}

/** The last try, with the number of all in its cells. */
function withTry(probe: RanProbe, earlier: RanProbe | undefined, attempt: RecoveryTry): RanProbe {
  const triesOf = new Map(earlier?.cells.map(({ key, observation }) => [cellId(key), observation?.tries ?? 0]));
  const cells = probe.cells.map((cell): RanCell => {
    const { key, observation } = cell;
    if (observation === undefined) return cell;
    return { ...cell, observation: { ...observation, tries: observation.tries + (triesOf.get(cellId(key)) ?? 0) } };
  });
  const recovery = {
    withinMs: probe.probe.withinMs ?? 0,
    ...(attempt.verdict === "pass" ? { tookMs: attempt.atMs } : {}),
    tries: [...(earlier?.recovery?.tries ?? []), attempt],
  };
  return { ...probe, cells, recovery, durationMs: probe.durationMs + (earlier?.durationMs ?? 0) };
}
