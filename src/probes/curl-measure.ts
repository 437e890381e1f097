import { meetsBound } from "../core/bound.ts";
import type { CurlExpect } from "./curl-options.ts";
import type { HttpReply, TlsOutcome } from "./curl-output.ts";
import { evenRange, requestsToJudge } from "./evenness.ts";
import { boundDifference, matchesText, shorten } from "./figures.ts";
import type { ResolvedTarget } from "./resolve.ts";

/** Bodies are kept this long for `expect: body`; longer ones are cut. */
const BODY_CHARACTERS = 16_384;
/** Different replies kept; a Service has few. */
const KEPT_REPLIES = 50;

/** The header that names the pod which answered; cnilab's own servers send it. */
const POD_HEADER = "x-pod-name";

/** One of the different replies seen, with how often. */
interface DistinctReply {
  status: number;
  headers: Record<string, string>;
  body: string;
  times: number;
}

/** `measured` of a curl observation. */
export interface CurlMeasured {
  requests: number;
  /** Of the first reply; absent without one. */
  status?: number;
  meanMs?: number;
  /** With https. */
  tls?: TlsOutcome;
  replies: DistinctReply[];
  /** Pod → requests it answered; requests whose reply named none are under "". */
  backends: Record<string, number>;
  /** Ready endpoints of the Service aimed at, by pod name or address; undefined where it is none. */
  endpoints?: string[];
}

/**
 * Sums replies up. A pod is named by its X-Pod-Name header, else by a body that is just the name of one of `pods`: behind a proxy, such as an
 * Ingress's, these are not the target's endpoints.
 */
export function measureReplies(
  replies: readonly HttpReply[],
  target: ResolvedTarget,
  pods: ReadonlySet<string>,
): Record<string, unknown> {
  const backends = new Map<string, number>();
  const distinct = new Map<string, DistinctReply>();
  for (const { status, headers, body } of replies) {
    const pod = headers[POD_HEADER] ?? (pods.has(body.trim()) ? body.trim() : "");
    backends.set(pod, (backends.get(pod) ?? 0) + 1);
    const kept = body.slice(0, BODY_CHARACTERS);
    const { date: _, ...lasting } = headers;
    const key = JSON.stringify([status, lasting, kept]);
    const known = distinct.get(key);
    if (known !== undefined) known.times++;
    else if (distinct.size < KEPT_REPLIES) distinct.set(key, { status, headers: lasting, body: kept, times: 1 });
  }
  const isService = target.service !== undefined;
  const measured: CurlMeasured = {
    requests: replies.length,
    status: replies[0]?.status ?? 0,
    meanMs: replies.reduce((sum, { latencyMs }) => sum + latencyMs, 0) / replies.length,
    replies: [...distinct.values()],
    backends: Object.fromEntries(backends),
    ...(isService ? { endpoints: target.backends.map(({ pod, address }) => pod?.name ?? address) } : {}),
  };
  return { ...measured };
}

/** Compares what curl measured with its figures: undefined when all are met. */
export function compareCurl(given: Record<string, unknown>, expected: CurlExpect): string | undefined {
  const measured = given as unknown as CurlMeasured;
  if (expected.tls !== undefined && measured.tls !== expected.tls)
    return `expected TLS ${expected.tls}, observed ${measured.tls ?? "none"}`;
  const { tls: _, ...ofReplies } = expected;
  if (measured.requests === 0)
    return Object.keys(ofReplies).length === 0
      ? undefined
      : `expected a reply, observed TLS ${measured.tls ?? "failed"}`;
  for (const reply of measured.replies) {
    const difference = compareReply(reply, expected, measured.requests);
    if (difference !== undefined) return difference;
  }
  if (expected.time !== undefined && !meetsBound(measured.meanMs ?? Number.POSITIVE_INFINITY, expected.time)) {
    return boundDifference(
      "time to reply",
      expected.time,
      measured.meanMs === undefined ? undefined : `${measured.meanMs.toFixed(1)} ms`,
    );
  }
  return expected.backends === undefined ? undefined : compareBackends(measured, expected.backends);
}

function compareReply(
  reply: DistinctReply,
  { status, body, header }: CurlExpect,
  requests: number,
): string | undefined {
  const often = requests === 1 ? "" : ` in ${reply.times} of ${requests} replies`;
  const hasStatus =
    typeof status === "string" ? String(reply.status).startsWith(status.slice(0, 1)) : reply.status === status;
  if (status !== undefined && !hasStatus) return `expected HTTP ${status}, observed HTTP ${reply.status}${often}`;
  if (body !== undefined && !matchesText(body, reply.body)) {
    return `expected a body with ${body}, observed ${JSON.stringify(shorten(reply.body))}${often}`;
  }
  for (const [name, wanted] of Object.entries(header ?? {})) {
    const value = new Map(Object.entries(reply.headers)).get(name.toLowerCase());
    if (value === undefined) return `expected header ${name} with ${wanted}, observed none${often}`;
    if (!matchesText(wanted, value))
      return `expected header ${name} with ${wanted}, observed ${JSON.stringify(shorten(value))}${often}`;
  }
  return undefined;
}

function compareBackends(
  { backends, requests, endpoints }: CurlMeasured,
  { count, even }: NonNullable<CurlExpect["backends"]>,
): string | undefined {
  // Not a lookup in the record: a pod may be called `constructor`.
  const counts = new Map(Object.entries(backends));
  const unnamed = counts.get("") ?? 0;
  if (unnamed > 0)
    return `${unnamed} of ${requests} replies do not name their pod (no X-Pod-Name header, and the body is no pod's name)`;
  const names = [...counts.keys()].toSorted();
  const shown = names.map((name) => `${name} ${counts.get(name)}`).join(", ");
  if (count !== undefined && names.length !== count)
    return `expected ${count} backends, observed ${names.length}: ${shown}`;
  if (even !== true) return undefined;
  // A ready endpoint that never answered is the unevenness that matters most, so it is counted with 0.
  const all = [...new Set([...(endpoints ?? []), ...names])].toSorted();
  const enough = requestsToJudge(all.length);
  if (requests < enough)
    return `${requests} requests cannot tell whether ${all.length} backends are used evenly: it takes ${enough}`;
  const { lowest, highest } = evenRange(requests, all.length);
  const off = all.filter((name) => (counts.get(name) ?? 0) < lowest || (counts.get(name) ?? 0) > highest);
  if (off.length === 0) return undefined;
  const found = off.map((name) => `${name} answered ${counts.get(name) ?? 0}`).join(", ");
  return `expected an even choice (${lowest} to ${highest} of ${requests} each, p ≥ 0.001), observed ${found}`;
}
