import { randomInt } from "node:crypto";
import type { Evidence, Observation } from "../grade/types.ts";
import type { ResolvedSource } from "../providers/source.ts";
import { observation, proofText } from "./observe.ts";
import { parsePing, unreachableText } from "./ping-output.ts";
import type { PingOutput } from "./ping-output.ts";
import { dropWatch } from "./resolve.ts";
import type { ResolvedTarget } from "./resolve.ts";
import { endedByDrop, runTool, unreadable } from "./tool.ts";
import type { ToolRun } from "./tool.ts";
import type { ProbeContext } from "./types.ts";

const INTERVAL_SECONDS = 0.01;
const ICMP = { protocol: "icmp" } as const;

/** What to send. */
export interface PingRequest {
  count: number;
  /** Bytes of payload. */
  size?: number | undefined;
  dontFragment?: boolean | undefined;
  /** In hexadecimal, at most 16 bytes: fills the payload after its first 16 bytes, over and over. */
  pattern?: string;
}

/** Pings an address once resolved; `found` is evidence from before. Throws what {@link runTool} throws. */
export async function pingTarget(
  options: PingRequest,
  target: ResolvedTarget & { address: string },
  found: readonly Evidence[],
  from: ResolvedSource,
  context: ProbeContext,
): Promise<Observation> {
  const notes = [...found];
  if (target.service !== undefined) {
    notes.push({
      kind: "note",
      text: "a cluster IP is no host: kube-proxy translates its ports only, and drops or refuses a ping to it",
    });
  }
  const seconds = (context.deadlineMs / 1000).toFixed(1);
  const argv = [
    "ping",
    "-n",
    "-c",
    String(options.count),
    "-i",
    String(INTERVAL_SECONDS),
    "-W",
    seconds,
    // Its own would be its process id, the same in each sandbox: conntrack would take it for the ping before, which was let through.
    "-e",
    String(randomInt(1, 0x10000)),
    ...(options.size === undefined ? [] : ["-s", String(options.size)]),
    ...(options.pattern === undefined ? [] : ["-p", options.pattern]),
    ...(options.dontFragment === true ? ["-M", "do"] : []),
    target.address,
  ];
  const untilDropped = dropWatch(target, ICMP);
  const run = await runTool(context, from, argv, {
    timeoutMs: context.deadlineMs + options.count * 1000 * INTERVAL_SECONDS + 10_000,
    ...(untilDropped === undefined ? {} : { untilDropped }),
  });
  const evidence = [...notes, run.evidence];
  const output = parsePing(`${run.result.stdout}\n${run.result.stderr}`);
  if (output !== undefined) return observePing(run, output, evidence);
  if (endedByDrop(run) && run.proof !== undefined) return droppedByProof(run, evidence);
  const failure = unreachableText(`${run.result.stderr}\n${run.result.stdout}`);
  if (failure !== undefined) return observation("rejected", failure, { evidence });
  throw unreadable("ping", run.result);
}

function observePing(run: ToolRun, output: PingOutput, evidence: Evidence[]): Observation {
  const { sent, received, rtt, timesMs, errors, mtu } = output;
  const measured = {
    sent,
    received,
    loss: sent === 0 ? 1 : (sent - Math.min(received, sent)) / sent,
    ...(rtt === undefined ? {} : { rttMinMs: rtt.minMs, rttAvgMs: rtt.avgMs, rttMaxMs: rtt.maxMs }),
    ...percentiles(timesMs),
    ...(mtu === undefined ? {} : { mtu }),
  };
  if (received > 0) {
    const lost = received < sent ? `, ${sent - received} lost` : "";
    const time = rtt === undefined ? "" : `, average ${rtt.avgMs} ms`;
    return observation("allowed", `${received} of ${sent} echo requests answered${lost}${time}`, {
      latencyMs: rtt?.avgMs,
      measured,
      evidence,
    });
  }
  const [first] = errors;
  if (first !== undefined) {
    const by = first.from === undefined ? "" : ` (from ${first.from})`;
    const proof = run.proof;
    return observation("rejected", proof === undefined ? `${first.text}${by}` : proofText(proof, "rejected"), {
      measured,
      proof,
      evidence,
    });
  }
  if (run.proof !== undefined) return { ...droppedByProof(run, evidence), measured };
  return observation("dropped", `none of ${sent} echo requests was answered`, { measured, evidence });
}

function droppedByProof({ proof, result }: ToolRun, evidence: Evidence[]): Observation {
  const reason = proof === undefined ? "no answer" : proofText(proof, "dropped");
  return observation("dropped", reason, { latencyMs: result.durationMs, proof, evidence });
}

/** By nearest rank: each is a time that was seen. */
function percentiles(timesMs: readonly number[]): Record<string, number> {
  const sorted = timesMs.toSorted((a, b) => a - b);
  const at = (share: number): number | undefined => sorted[Math.ceil(share * sorted.length) - 1];
  const found = { rttP50Ms: at(0.5), rttP95Ms: at(0.95), rttP99Ms: at(0.99) };
  return Object.fromEntries(Object.entries(found).flatMap(([name, ms]) => (ms === undefined ? [] : [[name, ms]])));
}
