/** How long a cluster has to come to rest. */
export interface SettleOptions {
  timeoutMs: number;
  /**
   * Called at most once, when objects are as they will be and only their effect is awaited; for work that can be done meanwhile. Not
   * by clusters where that takes no time. What it rejects with, settle rejects with.
   */
  atRest?: () => Promise<void>;
}

/** How long that took. */
export interface SettleResult {
  /** Milliseconds from the call until every change made before it had its effect in the data plane. */
  durationMs: number;
}
