import { formatDurationMs } from "../core/duration.ts";
import type {
  Cell,
  ConnectivityExpectation,
  Observation,
  PositiveControl,
  ProbePhase,
  Recovery,
  Verdict,
} from "./types.ts";

/** A verdict with the one line that says why. */
export interface ReasonedVerdict {
  verdict: Verdict;
  reason: string;
}

/**
 * Compares what a probe measured with a figure expectation: undefined when met, else one line that says what differs.
 * It is the probe kind's own `compare`, handed in because this layer knows no kinds.
 */
export type CompareFigures = (
  kind: string,
  measured: Record<string, unknown>,
  expected: Record<string, unknown>,
) => string | undefined;

/** What judging needs to know of the probe that a cell belongs to. */
export interface CellContext {
  kind: string;
  notEnforceable?: string | undefined;
  phase?: ProbePhase | undefined;
  recovery?: Recovery | undefined;
  compareFigures: CompareFigures;
}

/** Judges one cell by the contract in docs/grading.md. Whatever keeps it from being known makes it inconclusive. */
export function judgeCell(cell: Cell, context: CellContext): ReasonedVerdict {
  const { expected, observation, standIn } = cell;
  if (observation === undefined) {
    return inconclusive(
      cell.passedBefore === undefined
        ? "never probed"
        : "never probed: the untouched lab had these ends, and one is gone",
    );
  }
  if (observation.outcome === "error") return inconclusive(`the probe itself failed: ${observation.reason}`);
  if (expected === undefined) {
    return inconclusive(
      `nothing to compare with: ${cell.why?.notGradable ?? "the reference cannot say what to expect"}`,
    );
  }
  if (expected === "policy") return inconclusive("the reference policies' verdict was never worked out");

  const judged =
    typeof expected === "string"
      ? judgeConnectivity(expected, observation, cell)
      : judgeFigures(expected, observation, context);
  if (context.notEnforceable !== undefined) return withoutEnforcement(judged, expected, context.notEnforceable);
  if (judged.verdict !== "pass") return judged;
  if (standIn !== undefined) return inconclusive(`not the lab's server: ${standIn}`);
  return silentAnyway(cell, context) ?? tooLate(context) ?? judged;
}

/** What got no answer before the fault was made says nothing of the fault. */
function silentAnyway({ expected, withoutFault }: Cell, { phase }: CellContext): ReasonedVerdict | undefined {
  if (phase?.when !== "during" || (expected !== "blocked" && expected !== "rejected")) return undefined;
  if (withoutFault === undefined) return inconclusive(`this cell was not seen without the fault ${phase.fault}`);
  if (withoutFault.outcome === "allowed") return undefined;
  return inconclusive(
    `${withoutFault.outcome} without the fault ${phase.fault}, too, so it shows nothing of it: ${withoutFault.reason}`,
  );
}

function tooLate({ phase, recovery }: CellContext): ReasonedVerdict | undefined {
  if (recovery?.tookMs === undefined || recovery.tookMs <= recovery.withinMs) return undefined;
  const since =
    phase === undefined
      ? "it was first tried"
      : `${phase.when === "during" ? "the fault" : "the restore of"} ${phase.fault}`;
  const [took, within] = [recovery.tookMs, recovery.withinMs].map(formatDurationMs);
  return {
    verdict: "fail",
    reason: `as expected only ${took} after ${since}, not within ${within}`,
  };
}

/** Fail if any failed, else inconclusive if any is or there are none, else pass: nothing seen is never a pass. */
export function combineVerdicts(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes("fail")) return "fail";
  return verdicts.length === 0 || verdicts.includes("inconclusive") ? "inconclusive" : "pass";
}

function judgeConnectivity(expected: ConnectivityExpectation, observation: Observation, cell: Cell): ReasonedVerdict {
  if (expected === "blocked") return judgeBlocked(observation, cell);
  return observation.outcome === expected
    ? { verdict: "pass", reason: `${expected} as expected: ${observation.reason}` }
    : unexpected(expected, observation);
}

/**
 * Blocked means dropped, or rejected by a rule that is shown, and either only beside a positive control: the drop of a
 * probe to a server that never answers anyone says nothing of the policy, however well the drop itself is proven. During a fault a
 * refusal is the fault's where the same cell got an answer without it.
 */
function judgeBlocked(observation: Observation, { control, withoutFault }: Cell): ReasonedVerdict {
  const { outcome, proof, reason } = observation;
  if (outcome === "allowed") return unexpected("blocked", observation);
  if (outcome === "rejected" && proof === undefined && withoutFault?.outcome !== "allowed") {
    return inconclusive(
      `refused is not blocked: ${reason}; nothing may listen there, and no rule is shown that refused it`,
    );
  }
  if (control === undefined) {
    return inconclusive(
      `${outcome}, but the destination has answered nobody, so its silence proves nothing: ${reason}`,
    );
  }
  const shown = proof === undefined ? "" : ` by ${proof.direction} policy on ${proof.node}`;
  return { verdict: "pass", reason: `${outcome}${shown} as expected; ${describeControl(control)}` };
}

function judgeFigures(
  expected: Record<string, unknown>,
  observation: Observation,
  { kind, compareFigures }: CellContext,
): ReasonedVerdict {
  const { measured, outcome, reason } = observation;
  if (measured === undefined) {
    return outcome === "allowed"
      ? inconclusive(`answered, but nothing was measured: ${reason}`)
      : { verdict: "fail", reason: `expected figures, observed ${outcome}: ${reason}` };
  }
  const difference = compareFigures(kind, measured, expected);
  return difference === undefined
    ? { verdict: "pass", reason: `as expected: ${reason}` }
    : { verdict: "fail", reason: difference };
}

/** A CNI without enforcement can still break what must be open; nothing else can be concluded from it. */
function withoutEnforcement(judged: ReasonedVerdict, expected: Cell["expected"], why: string): ReasonedVerdict {
  return judged.verdict === "fail" && expected === "allowed" ? judged : inconclusive(`not enforceable: ${why}`);
}

function describeControl({ by, from, at }: PositiveControl): string {
  switch (by) {
    case "another-source":
      return `the destination answered ${from} (${at})`;
    case "itself":
      return `the destination answered itself (${at})`;
    case "before":
      return `the destination answered this source before (${at})`;
  }
}

function unexpected(expected: ConnectivityExpectation, { outcome, reason, tries }: Observation): ReasonedVerdict {
  const times = tries > 1 ? `, ${tries} tries` : "";
  return { verdict: "fail", reason: `expected ${expected}, observed ${outcome}${times}: ${reason}` };
}

function inconclusive(reason: string): ReasonedVerdict {
  return { verdict: "inconclusive", reason };
}
