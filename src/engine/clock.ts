/** Time as the control plane sees it; tests pass one they move by hand. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Runs `work` once after `delayMs`; the function it gives back cancels that. */
  after(delayMs: number, work: () => void): () => void;
}

/** The host's clock. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  after(delayMs, work) {
    const timer = setTimeout(work, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** A time as the API writes it: RFC 3339 in UTC, whole seconds (metav1.Time). */
export function apiTime(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
}
