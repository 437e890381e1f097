import * as z from "zod";
import { meetsBound } from "../core/bound.ts";
import { formatDurationMs } from "../core/duration.ts";
import { LabError } from "../core/errors.ts";
import type { Evidence, Observation } from "../grade/types.ts";
import { boundField, durationField, endpointField, familyField, portField } from "../lab/fields.ts";
import { formatEndpointRef } from "../lab/refs.ts";
import { convergenceFigures, STEADY_REQUESTS } from "./convergence-figures.ts";
import type { ConvergenceFigures } from "./convergence-figures.ts";
import { boundDifference } from "./figures.ts";
import { resolveNamedTarget } from "./named-target.ts";
import { cellKey, observation, observed } from "./observe.ts";
import { RequestFlow } from "./request-flow.ts";
import type { FlowRequest } from "./request-flow.ts";
import { flowTo, probeSource } from "./resolve.ts";
import { observeSweepCell } from "./sweep-observation.ts";
import { defineProbe } from "./types.ts";
import type { ProbeContext } from "./types.ts";

/** Requests that must all be answered before the change. */
const SAMPLE = 5;
const EVERY = { min: 20, max: 1000, default: 100 } as const;
const WATCHED = { min: 1000, max: 60_000, default: 5000 } as const;

function timeBetween({ min, max }: { min: number; max: number }) {
  return durationField().superRefine((ms, issues) => {
    if (ms >= min && ms <= max) return;
    const message = `${formatDurationMs(ms)} is not from ${formatDurationMs(min)} to ${formatDurationMs(max)}`;
    issues.addIssue({ code: "custom", message, params: { code: "LAB_BAD_DURATION" } });
  });
}

const convergenceOptions = z.strictObject({
  from: endpointField().optional().describe("Who sends; may stand beside the kind's key instead"),
  to: endpointField().describe("Pod, workload, Service, node/NAME, external, IP address or name"),
  port: portField().describe("Port number; of the Service, where `to` is one"),
  protocol: z.enum(["tcp", "udp"]).default("tcp").describe("A connection or a datagram a request"),
  settles: z
    .enum(["answered", "silent"])
    .default("answered")
    .describe("What requests are to be when the change is over; silent: what is still answered has leaked"),
  every: timeBetween(EVERY)
    .optional()
    .describe("Time between two requests, 20ms to 1s, default 100ms; each has until the next one"),
  for: timeBetween(WATCHED).optional().describe("How long to watch once the change was made, 1s to 60s, default 5s"),
  family: familyField(),
});

type ConvergenceOptions = z.output<typeof convergenceOptions>;

const convergenceExpect = z.strictObject({
  within: durationField()
    .optional()
    .describe("Longest time from the change until requests are as they should be, such as 2s"),
  outage: boundField("time").optional().describe("How long requests failed, all in all, such as <= 500 ms"),
  leaked: boundField("time")
    .optional()
    .describe("With settles: silent: how long requests were still answered, all in all"),
});

type ConvergenceExpect = z.output<typeof convergenceExpect>;

/** How long after a change traffic failed or leaked; docs/probes/convergence.md. */
export const convergence = defineProbe<ConvergenceOptions>({
  kind: "convergence",
  summary: "measures how long after a change traffic still failed or leaked",
  options: convergenceOptions,
  expect: convergenceExpect,
  tools: [],
  watches: true,
  references: ({ from, to }) => (from === undefined ? [to] : [from, to]),
  expectProblem: (options, expected) => {
    const { within, outage, leaked } = expected as ConvergenceExpect;
    const watchedMs = options.for ?? WATCHED.default;
    if (within !== undefined && within > watchedMs)
      return `requests are watched for ${formatDurationMs(watchedMs)}, so nobody can say what happens within ${formatDurationMs(within)}`;
    if (leaked !== undefined && options.settles === "answered") return "leaked is of requests that settle to be silent";
    if (outage !== undefined && options.settles === "silent") return "outage is of requests that settle to be answered";
    return undefined;
  },
  run: async (options, ref, context) => {
    const { to, port, protocol, family } = options;
    const key = cellKey(ref ?? options.from, formatEndpointRef(to), { port, protocol });
    return observed(key, context.signal, async () => {
      const aim = { port, protocol, family };
      const from = probeSource(ref ?? options.from, context);
      const named = await resolveNamedTarget(to, aim, from, context);
      if ("failed" in named) return [{ key, ...named.failed }];
      const { target, evidence } = named;
      const flow = new RequestFlow(
        { from: from.source, address: target.address, port, protocol },
        options.every ?? EVERY.default,
        context,
      );
      const seen = await watchChange(options, flow, evidence, context);
      return [{ key, flow: flowTo(target, aim, from), destination: target.identity, observation: seen }];
    });
  },
  compare: (measured, expected) => {
    const { settles, convergedMs, watchedMs, outageMs, leakedMs } = measured as unknown as ConvergenceFigures;
    const { within, outage, leaked } = expected as ConvergenceExpect;
    const stillWrong = `${settles === "answered" ? "still failing" : "still answered"} after ${text(watchedMs)}`;
    if (within !== undefined && (convergedMs === undefined || convergedMs > within))
      return `expected within ${formatDurationMs(within)}, observed ${convergedMs === undefined ? stillWrong : text(convergedMs)}`;
    for (const [name, bound, seen] of [["outage", outage, outageMs] as const, ["leaked", leaked, leakedMs] as const]) {
      if (bound === undefined) continue;
      // What goes on has no length yet.
      if (convergedMs === undefined) return boundDifference(name, bound, stillWrong);
      if (seen === undefined || !meetsBound(seen, bound))
        return boundDifference(name, bound, seen === undefined ? undefined : text(seen));
    }
    return undefined;
  },
});

async function watchChange(
  { settles, protocol, for: watchMs = WATCHED.default }: ConvergenceOptions,
  flow: RequestFlow,
  found: readonly Evidence[],
  { change }: ProbeContext,
): Promise<Observation> {
  if (change === undefined) throw new LabError("CONVERGENCE_NO_CHANGE", "there is no change to watch");
  for (let count = 0; count < SAMPLE; count++) await flow.next();
  const before = flow.requests.filter(({ result }) => result.outcome === "answered").length;
  if (before < SAMPLE)
    throw new LabError(
      "CONVERGENCE_NO_TRAFFIC",
      `only ${before} of ${SAMPLE} requests were answered before the fault`,
      {
        hint: "what fails or is silent afterwards shows nothing of the change",
      },
    );
  await change.sampled();
  // Those before the fault say nothing of its restore.
  const from = flow.requests.length;
  await flow.next();
  let endMs = Number.POSITIVE_INFINITY;
  const made = change.flowing().then((times) => {
    endMs = times.madeMs + watchMs;
    return times;
  });
  // Told below; it must not be unhandled while requests are sent.
  let failure: { error: unknown } | undefined;
  made.catch((error: unknown) => (failure = { error }));
  while (performance.now() < endMs && failure === undefined) await flow.next();
  const requests = flow.requests.slice(from);
  const figures = convergenceFigures(requests, await made, settles);
  return observeFlow(figures, requests, protocol, [...found]);
}

function observeFlow(
  figures: ConvergenceFigures,
  requests: readonly FlowRequest[],
  protocol: "tcp" | "udp",
  evidence: Evidence[],
): Observation {
  const last = requests.at(-1);
  if (last === undefined) throw new LabError("CONVERGENCE_NO_TRAFFIC", "no request was sent");
  evidence.push({ kind: "note", text: transitions(requests) });
  const measured = { ...figures };
  const { settles, before, convergedMs, watchedMs, wrong, requests: count } = figures;
  const end = observeSweepCell(last.result, protocol);
  const what = settles === "answered" ? "failed" : "were still answered";
  const totalMs = figures.outageMs ?? figures.leakedMs ?? 0;
  if (convergedMs === undefined) {
    const reason = `${wrong} of ${count} requests ${what}, and the last ${STEADY_REQUESTS} of ${text(watchedMs)} not all ${settles}`;
    return observation(end.outcome, reason, { measured, proof: end.proof, evidence });
  }
  const reason =
    wrong === 0
      ? `none of ${count} requests ${what} after the change${before === undefined ? "" : `, and the last one before it was ${before}`}`
      : `${settles} from ${text(convergedMs)} after the change on; ${wrong} of ${count} requests ${what}, for ${text(totalMs)} in all`;
  return observation(end.outcome, reason, { latencyMs: convergedMs, measured, proof: end.proof, evidence });
}

/** What requests saw, as a line with the times at which it changed: `answered; no-answer from request 14; answered from request 31`. */
function transitions(requests: readonly FlowRequest[]): string {
  const first = requests[0]?.sentMs ?? 0;
  const parts: string[] = [];
  let earlier: string | undefined;
  for (const { result, sentMs } of requests) {
    const seen = result.outcome === "answered" ? "answered" : `${result.outcome} (${result.detail})`;
    if (seen !== earlier) parts.push(`${seen} at ${text(sentMs - first)}`);
    earlier = seen;
  }
  const shown = parts.slice(0, 20);
  const more = parts.length > shown.length ? `; ${parts.length - shown.length} more changes` : "";
  return `${requests.length} requests from the first, times counted from it: ${shown.join("; ")}${more}`;
}

function text(ms: number): string {
  return formatDurationMs(Math.round(ms));
}
