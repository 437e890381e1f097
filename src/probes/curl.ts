import type { Evidence, Observation } from "../grade/types.ts";
import { isIp } from "../core/ip.ts";
import { formatEndpointRef, parseEndpointRef } from "../lab/refs.ts";
import type { EndpointRef } from "../plan/types.ts";
import type { ResolvedSource } from "../providers/source.ts";
import { probeControls } from "./controls.ts";
import type { KubeObject } from "../kube/types.ts";
import { compareCurl, measureReplies } from "./curl-measure.ts";
import { curlExpect, curlOptions } from "./curl-options.ts";
import type { CurlExpect, CurlOptions } from "./curl-options.ts";
import { authorities } from "./curl-authority.ts";
import { CURL_WRITE_OUT, curlFailure, parseCurl } from "./curl-output.ts";
import type { CurlFailure, HttpReply } from "./curl-output.ts";
import { observeNameFault, unsteadyName } from "./name-fault.ts";
import { cellKey, observation, observed, proofText } from "./observe.ts";
import { dropWatch, flowTo, probeSource, resolveHost, resolveTarget } from "./resolve.ts";
import type { ResolvedTarget } from "./resolve.ts";
import { endedByDrop, runTool, unreadable } from "./tool.ts";
import type { ToolRun } from "./tool.ts";
import { defineProbe } from "./types.ts";
import type { ProbeContext, ProbedCell } from "./types.ts";

/** A refusal by ICMP may be seen only when the SYN is sent again, a second later (see tcp-tool.ts); leave time for it. */
const LATE_REFUSAL_MS = 400;
const DEFAULT_TIMEOUT_MS = 5000;
const LONGEST_RUN_MS = 90_000;
/** A resolver asks again after 5 s (resolv.conf(5), timeout), and needs a moment for that. */
const SECOND_LOOKUP_MS = 6000;

/** HTTP requests with curl(1); docs/probes/curl.md. */
export const curl = defineProbe<CurlOptions>({
  kind: "curl",
  summary: "sends HTTP requests; checks status, headers, body, and which backends answered",
  options: curlOptions,
  expect: curlExpect,
  tools: ["curl"],
  references: ({ from, to, url }) => [
    ...(from === undefined ? [] : [from]),
    ...(to === undefined ? (url === undefined ? [] : hostReference(url)) : [to]),
  ],
  run: async (options, ref, context) => {
    const { scheme, port, label } = aimOf(options);
    const key = cellKey(ref ?? options.from, label, { port, protocol: "tcp" });
    return observed(key, context.signal, async () => {
      const from = probeSource(ref ?? options.from, context);
      const aim = { port, protocol: "tcp" as const, family: options.family };
      const target =
        options.to === undefined
          ? resolveHost(new URL(options.url ?? "").hostname, aim, from, context)
          : await resolveTarget(options.to, aim, from, context);
      const cell: ProbedCell = { key, flow: flowTo(target, aim, from), destination: target.identity };
      const url = options.url ?? `${scheme}://${bracketed(options.host ?? target.host)}:${port}${options.path ?? "/"}`;
      const authority = options.cacert && (await authorities(options.cacert, context));
      const timeoutMs = options.timeout ?? DEFAULT_TIMEOUT_MS;
      Object.assign(cell, await request({ url, options, target, from, context, port, authority, timeoutMs }));
      const isAnswered = cell.observation?.outcome === "allowed";
      return [cell, ...(isAnswered ? [] : await probeControls(target, port, "tcp", context))];
    });
  },
  compare: (measured, expected) => compareCurl(measured, expected as CurlExpect),
});

function hostReference(url: string): EndpointRef[] {
  return [parseEndpointRef(new URL(url).hostname.replace(/^\[(.*)\]$/, "$1"))];
}

function aimOf({ url, to, port, scheme }: CurlOptions): { scheme: string; port: number; label: string } {
  if (to !== undefined) {
    const chosen = scheme ?? "http";
    return { scheme: chosen, port: port ?? (chosen === "https" ? 443 : 80), label: formatEndpointRef(to) };
  }
  const parsed = new URL(url ?? "");
  const fallback = parsed.protocol === "https:" ? 443 : 80;
  return {
    scheme: parsed.protocol.slice(0, -1),
    port: parsed.port === "" ? fallback : Number(parsed.port),
    label: parsed.hostname,
  };
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

interface Request {
  url: string;
  options: CurlOptions;
  target: ResolvedTarget;
  from: ResolvedSource;
  context: ProbeContext;
  port: number;
  /** Certificates to trust, as PEM. */
  authority: string | undefined;
  /** Longest wait for a whole reply. */
  timeoutMs: number;
}

/**
 * The limit for connecting is short, so that a dropped SYN is known soon, and curl takes it for the lookup too. A lookup
 * that it cut off, of a name that cluster DNS does know, is made once more with time for the resolver to ask again: where a
 * datagram was lost, it does so only after 5 s. The first run stays in the evidence.
 */
async function request(asked: Request): Promise<Seen> {
  const { context, timeoutMs } = asked;
  const connectMs = Math.min(context.deadlineMs + LATE_REFUSAL_MS, timeoutMs);
  const first = await requestWithin(connectMs, asked, []);
  if (!("slowLookup" in first)) return first;
  const patient = { ...asked, timeoutMs: timeoutMs + SECOND_LOOKUP_MS };
  const whole = await requestWithin(patient.timeoutMs, patient, first.evidence);
  if ("slowLookup" in whole) throw unsteadyName(whole.said, whole.slowLookup);
  return whole;
}

interface Seen {
  observation: Observation;
  destination?: string;
}

/** curl could not resolve a name in its time, and dig could. */
interface SlowLookup {
  slowLookup: Observation;
  said: string;
  evidence: Evidence[];
}

async function requestWithin(connectMs: number, asked: Request, before: Evidence[]): Promise<Seen | SlowLookup> {
  const { url, options, target, from, context, port, authority, timeoutMs } = asked;
  // Ended early, curl would lose the replies it had not yet written; of one request there are none.
  const untilDropped = options.requests === 1 ? dropWatch(target, { port, protocol: "tcp" }) : undefined;
  const run = await runTool(
    context,
    from,
    curlCommand(url, optionsFor(options, target, context), connectMs, timeoutMs, connectTo(options, target, port)),
    {
      ...(authority === undefined ? {} : { stdin: authority }),
      timeoutMs: Math.min(timeoutMs * options.requests, LONGEST_RUN_MS) + 5000,
      ...(untilDropped === undefined ? {} : { untilDropped }),
    },
  );
  const notes = before.length === 0 ? target.notes.map((text): Evidence => ({ kind: "note", text })) : before;
  const evidence: Evidence[] = [...notes, run.evidence];
  if (endedByDrop(run)) return dropped(run, evidence);
  const failure = curlFailure(run.result.exitCode ?? -1, run.result.stderr);
  const replies = parseCurl(run.result.stdout);
  if (failure === undefined) {
    if (replies?.length !== options.requests || replies.some(({ status }) => status === 0))
      throw unreadable("curl", run.result);
    return {
      observation: withTls(
        observeReplies(replies, { target, pods: podNames(context.objects), evidence }),
        url,
        options,
      ),
    };
  }
  // The last is the transfer that failed, which may have had a status before its body ended too soon.
  const answered = (replies ?? []).slice(0, -1);
  if (failure.kind !== "name") return partly(run, answered, observeFailure(failure, run, url, evidence), target);
  const question = {
    name: new URL(url).hostname,
    type: options.family === "ipv6" ? ("AAAA" as const) : ("A" as const),
  };
  const { wasFound, ...failed } = await observeNameFault(question, evidence, from, context);
  if (!wasFound) return partly(run, answered, failed, target);
  if (!failure.wasCutOff) throw unsteadyName(failure.text, failed.observation);
  return { slowLookup: failed.observation, said: failure.text, evidence: failed.observation.evidence };
}

/** Where a name may have addresses of both families, curl takes either: it is told the one that the flow is judged by. */
function optionsFor(options: CurlOptions, { host }: ResolvedTarget, { plan }: ProbeContext): CurlOptions {
  const hasBoth = plan.cni.podCidrs.some((cidr) => cidr.includes(":")) && !isIp(host.replace(/^\[(.*)\]$/, "$1"));
  return { ...options, family: options.family ?? (hasBoth ? "ipv4" : undefined) };
}

/** A name of the URL's own is not looked up: curl is told where to connect. */
function connectTo({ host }: CurlOptions, target: ResolvedTarget, port: number): string[] {
  return host === undefined ? [] : ["--connect-to", `${host}:${port}:${bracketed(target.host)}:${port}`];
}

/** What is known of TLS beside a reply: the certificate was found right, or nobody looked. */
function withTls(seen: Observation, url: string, { insecure }: CurlOptions): Observation {
  if (!url.startsWith("https:")) return seen;
  return { ...seen, measured: { ...seen.measured, tls: insecure === true ? "unchecked" : "trusted" } };
}

function curlCommand(
  url: string,
  options: CurlOptions,
  connectMs: number,
  timeoutMs: number,
  connect: readonly string[],
): string[] {
  const { method, headers = {}, data, insecure, cacert, requests, family } = options;
  return [
    "curl",
    // -q first: no ~/.curlrc. -g: brackets and braces in a URL are not patterns.
    "-q",
    "-g",
    "-sSvi",
    "--proto",
    "=http,https",
    "--noproxy",
    "*",
    ...(family === undefined ? [] : [family === "ipv6" ? "-6" : "-4"]),
    "--connect-timeout",
    (connectMs / 1000).toFixed(1),
    "-m",
    (timeoutMs / 1000).toFixed(1),
    // Each request on a new connection, or a Service's choice of endpoint would be made once.
    ...(requests > 1 ? ["--fail-early", "-H", "Connection: close"] : []),
    ...(method === "HEAD" ? ["-I"] : method === undefined ? [] : ["-X", method]),
    ...Object.entries(headers).flatMap(([name, value]) => ["-H", value === "" ? `${name};` : `${name}: ${value}`]),
    ...(data === undefined ? [] : ["--data-raw", data]),
    ...(insecure === true ? ["-k"] : []),
    ...(cacert === undefined ? [] : ["--cacert", "/dev/stdin"]),
    ...connect,
    "-w",
    CURL_WRITE_OUT,
    ...Array.from({ length: requests }, () => url),
  ];
}

function podNames(objects: readonly KubeObject[]): ReadonlySet<string> {
  return new Set(objects.flatMap(({ kind, metadata }) => (kind === "Pod" ? [metadata.name] : [])));
}

/** 4xx and 5xx are `rejected`: for a client that is to reach a service they are no success; `expect: {status}` sees them. */
function observeReplies(
  replies: readonly HttpReply[],
  { target, pods, evidence }: { target: ResolvedTarget; pods: ReadonlySet<string>; evidence: Evidence[] },
): Observation {
  const measured = measureReplies(replies, target, pods);
  const bad = replies.find(({ status }) => status >= 400);
  const mean = replies.reduce((sum, { latencyMs }) => sum + latencyMs, 0) / replies.length;
  const times = replies.length === 1 ? "" : ` (${replies.length} requests)`;
  return bad === undefined
    ? observation("allowed", `HTTP ${replies[0]?.status}${times}`, { latencyMs: mean, measured, evidence })
    : observation("rejected", `HTTP ${bad.status}${times}`, { latencyMs: mean, measured, evidence });
}

function dropped({ proof, result }: ToolRun, evidence: Evidence[]): Seen {
  const reason = proof === undefined ? "no answer" : proofText(proof, "dropped");
  return { observation: observation("dropped", reason, { latencyMs: result.durationMs, proof, evidence }) };
}

function observeFailure(
  failure: Exclude<CurlFailure, { kind: "name" }>,
  run: ToolRun,
  url: string,
  evidence: Evidence[],
): Seen {
  const { proof, result } = run;
  const latencyMs = result.durationMs;
  switch (failure.kind) {
    case "tls": {
      const measured = { requests: 0, replies: [], backends: {}, tls: failure.outcome };
      const reason = `TLS: ${failure.outcome}: ${failure.text}`;
      const seen = observation("rejected", reason, { latencyMs, measured, evidence });
      return afterConnect({ wasConnected: true }, url, seen);
    }
    case "refused": {
      const reason = proof !== undefined && !failure.wasConnected ? proofText(proof, "rejected") : failure.text;
      return afterConnect(
        failure,
        url,
        observation("rejected", reason, { latencyMs, proof: failure.wasConnected ? undefined : proof, evidence }),
      );
    }
    case "silent": {
      if (proof !== undefined && !failure.wasConnected) return dropped(run, evidence);
      const reason = failure.wasConnected ? `connected, and then no reply: ${failure.text}` : failure.text;
      return afterConnect(failure, url, observation("dropped", reason, { latencyMs, evidence }));
    }
    case "other":
      throw unreadable("curl", result);
  }
}

/** A connection that was open was not blocked: such a cell is about the reply, which nobody else's answer vouches for. */
function afterConnect({ wasConnected }: { wasConnected: boolean }, url: string, seen: Observation): Seen {
  return wasConnected ? { observation: seen, destination: `reply of ${url}` } : { observation: seen };
}

/** Some requests answered, then one failed: neither reachable nor blocked, so no control vouches for it. */
function partly(run: ToolRun, answered: readonly HttpReply[], failed: Seen, target: ResolvedTarget): Seen {
  if (answered.length === 0) return failed;
  const { proof: _, ...seen } = failed.observation;
  return {
    destination: `every request to ${target.identity}`,
    observation: {
      ...seen,
      reason: `${answered.length} requests were answered, the next was not: ${seen.reason}`,
      latencyMs: run.result.durationMs,
    },
  };
}
