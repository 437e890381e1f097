import * as z from "zod";
import { formatDurationMs } from "../core/duration.ts";
import type { Observation } from "../grade/types.ts";
import { enforcedWithin } from "../lab/enforced-within.ts";
import { durationField } from "../lab/fields.ts";
import { observation } from "./observe.ts";
import type { FlowRequest } from "./request-flow.ts";

/** Requests that have to be as they should, one after another, before a flow is said to have settled. */
export const STEADY_ROUNDS = 5;

const WITHIN = { min: 100, max: 60_000 } as const;

/** `expect: { enforcedWithin: 2s }` of kinds whose flows policies decide; docs/enforcement.md. */
export const enforcementExpect = z.strictObject({
  enforcedWithin: durationField()
    .superRefine((ms, issues) => {
      if (ms >= WITHIN.min && ms <= WITHIN.max) return;
      const message = `enforcedWithin is ${formatDurationMs(WITHIN.min)} to ${formatDurationMs(WITHIN.max)}`;
      issues.addIssue({ code: "custom", message, params: { code: "LAB_BAD_DURATION" } });
    })
    .describe("Longest time from a watched change of policies until every flow that it decides is as it should be"),
});

/** What a change of policies makes of a flow: what passed is to be blocked, or what was blocked is to pass. */
export type FlowChange = "closed" | "opened";

/** One flow across a change of policies. Times are milliseconds from when the API had accepted the change. */
export interface EnforcementFigures {
  change: FlowChange;
  /** Requests sent after the change was accepted, and those of them that were still as before it. */
  requests: number;
  wrong: number;
  /** Sending of the last wrong one: it was not in force then. 0 where none was wrong. */
  lateMs: number;
  /** Until the first of the requests at the end that were all right was sent: it was in force by then. Absent where too few were. */
  enforcedMs?: number;
  /** How often a request that was right was followed by a wrong one. */
  flaps: number;
  watchedMs: number;
}

/** Reads the figures off a flow's requests, in the order in which they were sent; of those before `acceptedMs` none counts. */
export function enforcementFigures(
  requests: readonly FlowRequest[],
  acceptedMs: number,
  change: FlowChange,
): EnforcementFigures {
  const after = requests.filter(({ sentMs }) => sentMs >= acceptedMs);
  const isWrong = ({ result }: FlowRequest): boolean => (result.outcome === "answered") !== (change === "opened");
  const since = (ms = acceptedMs): number => Math.round((ms - acceptedMs) * 10) / 10;
  const last = after.findLastIndex(isWrong);
  const steady = after.slice(last + 1);
  return {
    change,
    requests: after.length,
    wrong: after.filter(isWrong).length,
    lateMs: since(after[last]?.sentMs),
    ...(steady.length >= STEADY_ROUNDS ? { enforcedMs: since(latestSending(steady[0])) } : {}),
    flaps: after.filter((request, index) => {
      const earlier = after[index - 1];
      return earlier !== undefined && isWrong(request) && !isWrong(earlier);
    }).length,
    watchedMs: since(after.at(-1)?.endMs),
  };
}

/** All of a round have the time at which it began, and end with its last: no request was sent later than this. */
function latestSending(request: FlowRequest | undefined): number | undefined {
  return request && Math.max(request.sentMs, request.endMs - request.result.latencyMs);
}

/** A flow of a probe that was watched while policies changed. */
export interface EnforcedFlow {
  /** `shop/web → shop/db:5432/tcp`. */
  flow: string;
  figures: EnforcementFigures;
  /** What its requests saw, with the times at which that changed. */
  seen: string;
}

/** What a probe measured with the slowest flow first. */
export interface EnforcementMeasured {
  worst: string;
  change: FlowChange;
  lateMs: number;
  enforcedMs?: number;
  watchedMs: number;
  flaps: number;
  flows: number;
}

/** Those first that were wrong longest for certain. Equal ones by name, so that a report is the same twice. */
export function bySlowness(flows: readonly EnforcedFlow[]): EnforcedFlow[] {
  const endOf = ({ figures: { enforcedMs } }: EnforcedFlow): number => enforcedMs ?? Number.MAX_SAFE_INTEGER;
  return flows.toSorted(
    (a, b) =>
      b.figures.lateMs - a.figures.lateMs || endOf(b) - endOf(a) || (a.flow < b.flow ? -1 : Number(a.flow > b.flow)),
  );
}

const MOST_TOLD = 10;

/** What a probe saw of all its flows; there is one at least. */
export function observeEnforcement(flows: readonly [EnforcedFlow, ...EnforcedFlow[]]): Observation {
  const sorted = bySlowness(flows);
  const worst = sorted[0] ?? flows[0];
  const { change, lateMs, enforcedMs, watchedMs, wrong, requests } = worst.figures;
  const flaps = flows.reduce((sum, { figures }) => sum + figures.flaps, 0);
  const measured: EnforcementMeasured = {
    worst: worst.flow,
    change,
    lateMs,
    ...(enforcedMs === undefined ? {} : { enforcedMs }),
    watchedMs,
    flaps,
    flows: flows.length,
  };
  const what = change === "closed" ? "still passed" : "were still blocked";
  const end = enforcedMs === undefined ? `not in force after ${text(watchedMs)}` : `in force after ${text(enforcedMs)}`;
  const flapped = flaps === 0 ? "" : `; went back ${flaps} ${flaps === 1 ? "time" : "times"}`;
  const reason = `slowest of ${flows.length} ${flows.length === 1 ? "flow" : "flows"}: ${worst.flow} ${end}, ${wrong} of ${requests} requests ${what}${flapped}`;
  const evidence = sorted.map(({ flow, figures, seen }, index) => ({
    kind: "note" as const,
    text: `${flow}, ${figures.change} by the change: ${seen}`,
    ...(index < MOST_TOLD ? {} : { isDetail: true }),
  }));
  return observation((enforcedMs !== undefined) === (change === "opened") ? "allowed" : "dropped", reason, {
    measured: { ...measured },
    evidence,
  });
}

/**
 * One line that says what was seen where a flow was still wrong for certain when its time was over, else undefined. Flows of which no
 * request shows either are another matter: {@link isUnresolved}.
 */
export function compareEnforcement(
  measured: Record<string, unknown>,
  expected: Record<string, unknown>,
): string | undefined {
  const { worst, change, lateMs, enforcedMs, watchedMs, flaps } = measured as unknown as EnforcementMeasured;
  const within = enforcedWithin(expected);
  if (within === undefined || lateMs <= within) return undefined;
  const what = change === "closed" ? "still passed" : "was still blocked";
  const end =
    enforcedMs === undefined
      ? `was not steady when watched for ${text(watchedMs)}`
      : `in force after ${text(enforcedMs)}`;
  const flapped = flaps === 0 ? "" : `; flows went back ${flaps} ${flaps === 1 ? "time" : "times"}`;
  return `expected in force within ${formatDurationMs(within)}, but ${worst} ${what} ${text(lateMs)} after the change, ${end}${flapped}`;
}

/** Whether a flow's requests were too far apart, or too few, to say whether it was in force in time. */
export function isUnresolved({ lateMs, enforcedMs }: EnforcementFigures, withinMs: number): boolean {
  return lateMs <= withinMs && (enforcedMs === undefined || enforcedMs > withinMs);
}

/** What requests saw, by the times from `acceptedMs` at which it changed: `answered at -150 ms; no-answer at 12 ms`. */
export function requestsText(requests: readonly FlowRequest[], acceptedMs: number): string {
  const parts: string[] = [];
  let earlier: string | undefined;
  for (const { result, sentMs } of requests) {
    if (result.outcome !== earlier) parts.push(`${result.outcome} at ${text(sentMs - acceptedMs)}`);
    earlier = result.outcome;
  }
  const shown = parts.slice(0, 20);
  const more = parts.length > shown.length ? `; ${parts.length - shown.length} more changes` : "";
  return `${shown.join("; ")}${more}; last request at ${text((requests.at(-1)?.sentMs ?? acceptedMs) - acceptedMs)}`;
}

function text(ms: number): string {
  const rounded = Math.round(ms);
  return rounded < 0 ? `-${formatDurationMs(-rounded)}` : formatDurationMs(rounded);
}
