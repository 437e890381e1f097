import type { FlowRequest } from "./request-flow.ts";
import type { ChangeTimes } from "./types.ts";

/** Requests that have to be as they should, one after another, before a flow is said to have settled. */
export const STEADY_REQUESTS = 5;

/** What a flow is to be like when the change is over. */
export type SettledState = "answered" | "silent";

/** A flow across a change. Times are milliseconds from when the change was asked for, and no less than 0. */
export interface ConvergenceFigures {
  settles: SettledState;
  /** What the last request was that ended before the change was asked for; with a restore, whether the fault had stopped the flow. */
  before?: SettledState;
  /** Requests that ended after the change was asked for. */
  requests: number;
  /** Of these, those that were not as they should be: without an answer, or (`silent`) with one. */
  wrong: number;
  /** From asking for the change until it was made. */
  changeMs: number;
  /** From asking for the change to the end of the flow. */
  watchedMs: number;
  /** Sending of the first and last wrong one; absent where there was none. */
  firstFailureMs?: number;
  lastFailureMs?: number;
  firstLeakMs?: number;
  lastLeakMs?: number;
  /** Sending of the first request of those at the end that were all right; 0 where none was wrong, absent where too few were right at the end. */
  convergedMs?: number;
  /** How long it was wrong all in all: from each wrong request to the next one. */
  outageMs?: number;
  leakedMs?: number;
}

/** Reads the figures off the requests of a flow, in the order in which they were sent. */
export function convergenceFigures(
  flow: readonly FlowRequest[],
  { askedMs, madeMs }: ChangeTimes,
  settles: SettledState,
): ConvergenceFigures {
  const across = flow.filter(({ endMs }) => endMs > askedMs);
  const before = flow.findLast(({ endMs }) => endMs <= askedMs)?.result.outcome;
  const isWrong = ({ result }: FlowRequest): boolean => (result.outcome === "answered") !== (settles === "answered");
  const since = (ms: number): number => Math.max(0, ms - askedMs);
  const wrong = across.filter(isWrong);
  const lastWrong = across.findLastIndex(isWrong);
  const [first, last] = [wrong[0], wrong.at(-1)].map((each) => each && round(since(each.sentMs)));
  let totalMs = 0;
  for (const [index, request] of across.entries())
    if (isWrong(request)) totalMs += since(across[index + 1]?.sentMs ?? request.endMs) - since(request.sentMs);
  const right = across.slice(lastWrong + 1);
  const isSettled = right.length >= STEADY_REQUESTS;
  const convergedMs = lastWrong < 0 ? 0 : since(right[0]?.sentMs ?? Number.POSITIVE_INFINITY);
  const isOutage = settles === "answered";
  return {
    settles,
    ...(before === undefined ? {} : { before: before === "answered" ? "answered" : "silent" }),
    requests: across.length,
    wrong: wrong.length,
    changeMs: round(madeMs - askedMs),
    watchedMs: round(since(across.at(-1)?.endMs ?? askedMs)),
    ...(first === undefined ? {} : isOutage ? { firstFailureMs: first } : { firstLeakMs: first }),
    ...(last === undefined ? {} : isOutage ? { lastFailureMs: last } : { lastLeakMs: last }),
    ...(isSettled ? { convergedMs: round(convergedMs) } : {}),
    ...(isOutage ? { outageMs: round(totalMs) } : { leakedMs: round(totalMs) }),
  };
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
