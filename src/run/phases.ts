import type { PhaseName } from "../core/events.ts";
import type { PlannedProbe } from "../plan/types.ts";
import { isTimed } from "./timed-probes.ts";
import type { RunContext } from "./context.ts";
import { UndoStack } from "./undo.ts";

/** How long a phase took; the same shape as a report's. */
export interface PhaseTime {
  phase: PhaseName;
  title: string;
  durationMs: number;
  ok: boolean;
}

/** Runs phases one after the other, tells of them and keeps their times. */
export class PhaseRunner {
  readonly times: PhaseTime[] = [];
  readonly context: RunContext;
  private readonly startedMs: number;
  readonly startedAt: string;

  constructor(context: RunContext) {
    this.context = context;
    this.startedMs = context.monotonicMs();
    this.startedAt = context.now().toISOString();
  }

  elapsedMs(): number {
    return this.context.monotonicMs() - this.startedMs;
  }

  /** Rejects with the signal's reason as soon as it is aborted, whatever the phase waits for. */
  run<T>(phase: PhaseName, title: string, act: () => Promise<T>): Promise<T> {
    return this.timed(phase, title, () => untilAborted(act, this.context.signal));
  }

  /** For what must reach its end although the user wants out: taking the lab down. */
  runToEnd<T>(phase: PhaseName, title: string, act: () => Promise<T>): Promise<T> {
    return this.timed(phase, title, act);
  }

  /** As {@link run}; where a fault is made for some of the probes, until it is restored: that is waited for after an abort, too. */
  runProbing<T>(probes: readonly PlannedProbe[], title: string, act: () => Promise<T>): Promise<T> {
    return probes.some(isTimed) ? this.runToEnd("probe", title, act) : this.run("probe", title, act);
  }

  private async timed<T>(phase: PhaseName, title: string, act: () => Promise<T>): Promise<T> {
    const { emit, monotonicMs } = this.context;
    const startedMs = monotonicMs();
    emit({ type: "phase-started", phase, title });
    let ok = false;
    try {
      const result = await act();
      ok = true;
      return result;
    } finally {
      const durationMs = monotonicMs() - startedMs;
      this.times.push({ phase, title, durationMs, ok });
      emit({ type: "phase-ended", phase, title, durationMs, ok });
    }
  }
}

/** Runs `act`; when it fails, what it registered is taken back before the failure goes on. */
export async function withUndo<T>(context: RunContext, act: (undo: UndoStack) => Promise<T>): Promise<T> {
  const undo = new UndoStack();
  try {
    return await act(undo);
  } catch (error) {
    await undo.unwind().catch((failure: unknown) => {
      const message = failure instanceof Error ? failure.message : String(failure);
      const hint = "cnilab status shows what is left, cnilab down LAB removes it";
      context.emit({ type: "warning", warning: { code: "UNDO_FAILED", message, hint } });
    });
    throw error;
  }
}

/** What `act` gives, or as soon as the signal is aborted its reason; `act` then goes on unheard. */
export async function untilAborted<T>(act: () => Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  const acting = act();
  // After an abort nobody waits for it any more, and the undo makes it fail.
  acting.catch(() => undefined);
  try {
    return await Promise.race([acting, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener("abort", onAbort);
  }
}
