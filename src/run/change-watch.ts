import { LabError } from "../core/errors.ts";
import type { PlannedProbe } from "../plan/types.ts";
import type { RanProbe } from "../probes/scheduler.ts";
import type { ChangeTimes, ProbedChange } from "../probes/types.ts";

/** Runs one probe with the change that it is to watch. */
export type RunWatcher = (probe: PlannedProbe, change: ProbedChange) => Promise<RanProbe[]>;

interface Watcher {
  stage: "sampling" | "waiting" | "flowing" | "ended";
  release?: { resolve(times?: ChangeTimes): void; reject(error: unknown): void };
}

/**
 * Probes that watch one change: each first sees what answers before, then sends while the change is made, and after it. A probe that
 * ends early, for whatever reason, holds up nothing.
 */
export class ChangeWatch {
  private readonly watchers: Watcher[] = [];
  private readonly running: Promise<RanProbe[]>[];
  private wake: (() => void) | undefined;
  /** Set when there will be no change to watch. */
  private cancelled: { reason: unknown } | undefined;

  constructor(probes: readonly PlannedProbe[], run: RunWatcher) {
    this.running = probes.map((probe) => this.start(probe, run));
    // What a probe rejects with is told by `results`, which may be asked for much later.
    for (const each of this.running) each.catch(() => undefined);
  }

  /** Resolves when every probe has seen what answers before the change. */
  sampled(): Promise<void> {
    return this.until("sampling");
  }

  /** Makes the change while all probes send; rejects with what `make` rejects with, and the probes then end. */
  async make(make: () => Promise<void>): Promise<void> {
    await this.sampled();
    this.release("waiting", (watcher) => {
      watcher.stage = "sampling";
      watcher.release?.resolve();
    });
    await this.until("sampling");
    const askedMs = performance.now();
    try {
      await make();
    } catch (error) {
      this.cancel(error);
      throw error;
    }
    const madeMs = performance.now();
    this.release("flowing", (watcher) => watcher.release?.resolve({ askedMs, madeMs }));
  }

  /** Ends the probes that wait for a change that will not be made. */
  cancel(reason: unknown): void {
    this.cancelled = { reason };
    for (const { release } of this.watchers) release?.reject(reason);
  }

  /** What the probes saw, in their order; waits until they have ended. */
  async results(): Promise<RanProbe[]> {
    const ends = await Promise.allSettled(this.running);
    return ends.flatMap((end) => {
      if (end.status === "rejected") throw end.reason;
      return end.value;
    });
  }

  private async start(probe: PlannedProbe, run: RunWatcher): Promise<RanProbe[]> {
    const watcher: Watcher = { stage: "sampling" };
    this.watchers.push(watcher);
    const arrive = (stage: Watcher["stage"]): Promise<ChangeTimes | undefined> => {
      if (this.cancelled !== undefined) throw this.cancelled.reason;
      watcher.stage = stage;
      const released = new Promise<ChangeTimes | undefined>((resolve, reject) => {
        watcher.release = { resolve, reject };
      });
      this.wake?.();
      return released;
    };
    try {
      return await run(probe, {
        sampled: async () => void (await arrive("waiting")),
        flowing: async () => {
          const times = await arrive("flowing");
          if (times === undefined) throw new LabError("CONVERGENCE_NO_CHANGE", "the change was never made");
          return times;
        },
      });
    } finally {
      watcher.stage = "ended";
      this.wake?.();
    }
  }

  private release(stage: Watcher["stage"], release: (watcher: Watcher) => void): void {
    for (const watcher of this.watchers) if (watcher.stage === stage) release(watcher);
  }

  /** Resolves when no probe is in that stage. */
  private async until(stage: Watcher["stage"]): Promise<void> {
    while (this.watchers.some((watcher) => watcher.stage === stage)) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}
