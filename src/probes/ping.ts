import * as z from "zod";
import { meetsBound } from "../core/bound.ts";
import type { Evidence, Observation } from "../grade/types.ts";
import { boundField, endpointField } from "../lab/fields.ts";
import { formatEndpointRef } from "../lab/refs.ts";
import type { ResolvedSource } from "../providers/source.ts";
import { boundDifference } from "./figures.ts";
import { resolveNamedTarget } from "./named-target.ts";
import { cellKey, observation, observed, proofText } from "./observe.ts";
import { parsePing, unreachableText } from "./ping-output.ts";
import type { PingOutput } from "./ping-output.ts";
import { dropWatch, flowTo, probeSource } from "./resolve.ts";
import type { ResolvedTarget } from "./resolve.ts";
import { endedByDrop, runTool, unreadable } from "./tool.ts";
import type { ToolRun } from "./tool.ts";
import { defineProbe } from "./types.ts";
import type { ProbeContext } from "./types.ts";

const INTERVAL_SECONDS = 0.01;
const ICMP = { protocol: "icmp" } as const;

const pingOptions = z.strictObject({
  from: endpointField().optional().describe("Who pings; may stand beside the kind's key instead"),
  to: endpointField().describe("Pod, workload, Service, node/NAME, external, IP address or name"),
  count: z.int().min(1).max(100).default(3).describe("Echo requests, 10 ms apart"),
  size: z.int().min(0).max(65_507).optional().describe("Bytes of payload; the packet is 28 bytes longer on IPv4"),
  dontFragment: z.boolean().optional().describe("Set DF, so that a packet over the path's MTU is refused"),
});

type PingOptions = z.output<typeof pingOptions>;

const pingExpect = z.strictObject({
  loss: boundField("share").optional().describe("Share of requests without a reply, such as <= 5 %"),
  rtt: boundField("time").optional().describe("Average round-trip time, such as < 20 ms"),
  mtu: z.int().optional().describe("MTU that the refusal of a too long packet names"),
});

/** ICMP echo with ping(8); docs/probes/ping.md. */
export const ping = defineProbe<PingOptions>({
  kind: "ping",
  summary: "sends ICMP echo requests",
  options: pingOptions,
  expect: pingExpect,
  tools: ["ping"],
  references: ({ from, to }) => (from === undefined ? [to] : [from, to]),
  run: async (options, ref, context) => {
    const key = cellKey(ref ?? options.from, formatEndpointRef(options.to));
    return observed(key, context.signal, async () => {
      const from = probeSource(ref ?? options.from, context);
      const named = await resolveNamedTarget(options.to, ICMP, from, context);
      if ("failed" in named) return [{ key, ...named.failed }];
      const { target, evidence } = named;
      const seen = await probe(options, target, evidence, from, context);
      return [{ key, flow: flowTo(target, ICMP, from), destination: target.identity, observation: seen }];
    });
  },
  compare: (measured, expected) => {
    const figures = measured as { loss?: number; rttAvgMs?: number; mtu?: number };
    const { loss, rtt, mtu } = expected as z.output<typeof pingExpect>;
    if (loss !== undefined && (figures.loss === undefined || !meetsBound(figures.loss, loss))) {
      return boundDifference("loss", loss, figures.loss === undefined ? undefined : `${round(figures.loss * 100)} %`);
    }
    if (rtt !== undefined && (figures.rttAvgMs === undefined || !meetsBound(figures.rttAvgMs, rtt))) {
      return boundDifference(
        "round-trip time",
        rtt,
        figures.rttAvgMs === undefined ? undefined : `${figures.rttAvgMs} ms`,
      );
    }
    if (mtu !== undefined && figures.mtu !== mtu) return `expected MTU ${mtu}, observed ${figures.mtu ?? "none named"}`;
    return undefined;
  },
});

async function probe(
  options: PingOptions,
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
    ...(options.size === undefined ? [] : ["-s", String(options.size)]),
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
  const { sent, received, rtt, errors, mtu } = output;
  const measured = {
    sent,
    received,
    loss: sent === 0 ? 1 : (sent - Math.min(received, sent)) / sent,
    ...(rtt === undefined ? {} : { rttMinMs: rtt.minMs, rttAvgMs: rtt.avgMs, rttMaxMs: rtt.maxMs }),
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

function round(figure: number): number {
  return Math.round(figure * 100) / 100;
}
