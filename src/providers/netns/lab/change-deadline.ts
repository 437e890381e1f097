import { readdirSync } from "node:fs";
import { LabError } from "../../../core/errors.ts";
import { processStat } from "../../../exec/process-stat.ts";
import type { DeadlineChange, DeadlineState } from "../../changes.ts";

/** How often terminals are looked for while a lab is closed. */
const GUARD_MS = 500;

/**
 * Until when people may change this lab. Counted by the lab process itself and by its monotonic clock (CLOCK_MONOTONIC, which a suspended host does not
 * count): neither the end of a command nor the host's time of day moves it.
 */
export class ChangeDeadline {
  private readonly endTerminals: () => void;
  private atMs: number | undefined;
  private timer: NodeJS.Timeout | undefined;
  private guard: NodeJS.Timeout | undefined;
  private passed = new AbortController();

  /** @param endTerminals ends what people run that is no child of this process. */
  constructor(endTerminals: () => void = killEntered) {
    this.endTerminals = endTerminals;
  }

  /** An earlier deadline stays: it is only brought forward, or lifted. */
  set(change: DeadlineChange): void {
    if (change === "lift") {
      clearTimeout(this.timer);
      clearInterval(this.guard);
      this.atMs = undefined;
      if (this.passed.signal.aborted) this.passed = new AbortController();
      return;
    }
    const atMs = performance.now() + change;
    if (this.atMs !== undefined && this.atMs <= atMs) return;
    this.atMs = atMs;
    clearTimeout(this.timer);
    // Not at the next turn of the loop: who asked for it is told that it has passed, and nothing runs then.
    if (change <= 0) this.pass();
    else this.timer = setTimeout(() => this.pass(), change);
  }

  state(): DeadlineState {
    return this.atMs === undefined ? {} : { leftMs: Math.max(0, this.atMs - performance.now()) };
  }

  /** Whether it has passed; by the clock, since a timer may be late. */
  get isOver(): boolean {
    return this.state().leftMs === 0;
  }

  /** Aborted with LAB_CLOSED when it has passed; another one after a lift. */
  get signal(): AbortSignal {
    return this.passed.signal;
  }

  /** Throws LAB_CLOSED when it has passed. */
  refuse(): void {
    if (this.isOver) throw closed();
  }

  private pass(): void {
    this.passed.abort(closed());
    this.endTerminals();
    // One that was let in before may be on its way still.
    this.guard = setInterval(this.endTerminals, GUARD_MS);
  }
}

function closed(): LabError {
  return new LabError("LAB_CLOSED", "the time is over: this lab takes no more changes", {
    hint: "cnilab exam finish grades it",
  });
}

/**
 * Kills what entered our pid namespace from outside, which is how the user's terminals come: their parent is of no process of ours (pid_namespaces(7)), and
 * the sandbox below them dies with it.
 */
function killEntered(): void {
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === 1 || processStat(pid)?.parent !== 0) continue;
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}
