import { formatDurationMs } from "../core/duration.ts";
import { makeVisibleLine } from "../core/visible-text.ts";
import type {
  CellKey,
  Expectation,
  JudgedTask,
  Observation,
  ProbePhase,
  Recovery,
  TaskFeedback,
} from "../grade/types.ts";

/** `shop/web → shop/db:5432/TCP`, or without a port `shop/web → shop/db`. */
export function describeKey(key: CellKey): string {
  const port = key.port === undefined ? "" : `:${describePort(key)}`;
  const destination = key.to === "" ? "" : ` → ${makeVisibleLine(key.to)}${port}`;
  return `${makeVisibleLine(key.from)}${destination}`;
}

/** `5432/TCP`. */
export function describePort(key: Pick<CellKey, "port" | "protocol">): string {
  return `${key.port ?? ""}/${(key.protocol ?? "tcp").toUpperCase()}`;
}

/** An expectation as a lab file would write it, on one line. */
export function describeExpectation(expected: Expectation | undefined): string {
  if (expected === undefined) return "unknown";
  if (typeof expected === "string") return expected;
  return Object.entries(expected)
    .map(([name, value]) => `${name} ${typeof value === "string" ? value : figureText(name, value)}`)
    .map(makeVisibleLine)
    .join(", ");
}

function figureText(name: string, value: unknown): string {
  return name === "enforcedWithin" && typeof value === "number" ? formatDurationMs(value) : boundText(value);
}

/** A bound keeps how it was written. */
function boundText(value: unknown): string {
  const isBound = typeof value === "object" && value !== null && "operator" in value && "text" in value;
  return isBound ? String(value.text) : JSON.stringify(value);
}

/** `dropped: no answer within 1.1 s (2 tries)`. */
export function describeObservation(observation: Observation | undefined): string {
  if (observation === undefined) return "nothing: this cell was not probed";
  const tries = observation.tries > 1 ? ` (${observation.tries} tries)` : "";
  const reason = observation.reason === "" ? "" : `: ${makeVisibleLine(observation.reason)}`;
  return `${observation.outcome}${reason}${tries}`;
}

/** `shop/web → shop/db:5432/TCP: blocked expected, observed allowed: connected`, on one line. */
export function describeFeedback({ key, expected, observed, verdict, reason }: TaskFeedback): string {
  const observation = describeObservation(observed === undefined ? undefined : { ...observed, evidence: [] });
  // Expected and observed alone do not tell why a cell is inconclusive.
  const why = verdict === "fail" && typeof expected === "string" ? "" : `; ${verdict}: ${makeVisibleLine(reason)}`;
  return `${describeKey(key)}: ${describeExpectation(expected)} expected, observed ${observation}${why}`;
}

/** `2 of 3 hints taken, -1.5 points`. */
export function describeHints({ taken, of, cost }: NonNullable<JudgedTask["hints"]>): string {
  const price = cost === 0 ? "" : `, -${cost} ${cost === 1 ? "point" : "points"}`;
  return `${taken} of ${of} ${of === 1 ? "hint" : "hints"} taken${price}`;
}

/** Milliseconds for a person: `0.4 ms`, `12 ms`, `1.3 s`. */
export function describeDuration(durationMs: number): string {
  if (durationMs < 10) return `${durationMs.toFixed(1)} ms`;
  if (durationMs < 1000) return `${Math.round(durationMs)} ms`;
  if (durationMs < 60_000) return `${(durationMs / 1000).toFixed(durationMs < 10_000 ? 2 : 1)} s`;
  const seconds = Math.round(durationMs / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** `during cut`, or nothing for an ordinary probe. */
export function describePhase(phase: ProbePhase | undefined): string {
  return phase === undefined ? "" : `${phase.when} ${phase.fault}`;
}

/** `recovered after 2.10 s, 3 tries, within 5.00 s`; without a fault there was nothing to recover from: `as expected after 2.10 s, …`. */
export function describeRecovery({ withinMs, tookMs, tries }: Recovery, phase: ProbePhase | undefined): string {
  const count = `${tries.length} ${tries.length === 1 ? "try" : "tries"}`;
  const what = phase === undefined ? "as expected" : "recovered";
  const took = tookMs === undefined ? `not ${what}` : `${what} after ${describeDuration(tookMs)}`;
  return `${took}, ${count}, within ${describeDuration(withinMs)}`;
}
