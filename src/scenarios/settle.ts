import type { ScenarioContext } from "./types.ts";

const SETTLE_MS = 60_000;

/** Waits until what a step changed is in effect in the data plane, and tells how long that took. */
export async function settle({ cluster, progress, signal }: ScenarioContext): Promise<void> {
  const { durationMs } = await cluster.settle({ timeoutMs: SETTLE_MS });
  signal.throwIfAborted();
  progress(`in effect after ${durationMs.toFixed(0)} ms`);
}
