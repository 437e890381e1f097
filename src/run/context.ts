import type { EventSink } from "../core/events.ts";

/** What every function of a run is given instead of reaching for the process. */
export interface RunContext {
  env: Record<string, string | undefined>;
  /** Folder of all labs' run state. */
  stateRoot: string;
  /** A bundle that takes the internet's place; see docs/bundles.md. */
  bundle?: string | undefined;
  /** Aborted by the user's interrupt; what was done is then undone. */
  signal: AbortSignal;
  emit: EventSink;
  /** Wall clock, for timestamps. */
  now(): Date;
  /** Milliseconds that only grow, for durations. */
  monotonicMs(): number;
}
