import * as z from "zod";
import { LabError } from "../core/errors.ts";
import type { Evidence, Observation } from "../grade/types.ts";
import { boundField, durationField, endpointField, portField, rateField } from "../lab/fields.ts";
import { formatEndpointRef } from "../lab/refs.ts";
import type { ResolvedSource } from "../providers/source.ts";
import { probeControls } from "./controls.ts";
import { formatRate, iperfDifference } from "./iperf-figures.ts";
import { datagramControl, sendDatagrams } from "./iperf-udp.ts";
import type { DatagramLoad } from "./iperf-udp.ts";
import { parseIperf } from "./iperf-output.ts";
import { cellKey, observation, observed, proofText } from "./observe.ts";
import { dropWatch, flowTo, probeSource, resolveTarget } from "./resolve.ts";
import type { ResolvedTarget } from "./resolve.ts";
import { endedByDrop, runTool, unreadable, wholeSeconds } from "./tool.ts";
import { defineProbe } from "./types.ts";
import type { ProbeContext, ProbedCell } from "./types.ts";

const DEFAULT_PORT = 5201;
const DEFAULT_MEGABYTES = 100;
/** A transfer of bytes is cut off here, so that a slow link is measured too. */
const LONGEST_TRANSFER_SECONDS = 2;
const SERVER_START_MS = 5000;
const DEFAULT_BITRATE_BPS = 10e6;
const DEFAULT_UDP_TIME_MS = 1000;
/** Load that datagrams may be: nothing slows them down but their sender. */
const MOST_BITRATE_BPS = 1e9;
const LONGEST_UDP_TIME_MS = 20_000;

const fields = z.strictObject({
  from: endpointField().optional().describe("Who sends; may stand beside the kind's key instead"),
  to: endpointField().describe("Who receives: pod, workload, node/NAME or external"),
  port: portField().default(DEFAULT_PORT).describe("Port of the server that is started in `to` for the probe"),
  protocol: z.enum(["tcp", "udp"]).default("tcp").describe("udp: datagrams at a fixed rate, for loss and jitter"),
  bitrate: rateField(MOST_BITRATE_BPS)
    .optional()
    .describe("With udp: of all streams, such as 10 Mbit/s, the default; 1 Gbit/s at most"),
  size: z
    .int()
    .min(16)
    .max(65_507)
    .optional()
    .describe("With udp: bytes of payload; default what a TCP segment of the path holds"),
  megabytes: z.int().min(1).max(10_000).optional().describe("With tcp: send this much, for 2 s at most; default 100"),
  time: durationField()
    .optional()
    .describe("Send for this long, in whole seconds, such as 5s; with udp 20s at most, default 1s"),
  reverse: z.boolean().optional().describe("`to` sends, `from` receives"),
  streams: z.int().min(1).max(32).optional().describe("Parallel streams"),
});

type IperfOptions = z.output<typeof fields>;

const iperfOptions = fields.superRefine((options, issues) => {
  const problem = loadProblem(options);
  if (problem === undefined) return;
  const { at, message, hint } = problem;
  issues.addIssue({ code: "custom", path: [at], message, params: { code: "IPERF_LOAD", hint } });
});

function loadProblem({ protocol, bitrate, size, megabytes, time }: IperfOptions) {
  if (protocol === "udp") {
    if (megabytes !== undefined)
      return {
        at: "megabytes",
        message: "datagrams are sent at a rate, not until so much has arrived",
        hint: "use bitrate and time",
      };
    if (time !== undefined && time > LONGEST_UDP_TIME_MS)
      return { at: "time", message: "datagrams are sent for 20 s at most", hint: "write time: 20s or less" };
    return undefined;
  }
  const at = bitrate === undefined ? (size === undefined ? undefined : "size") : "bitrate";
  return at && { at, message: `${at} is of datagrams, and this probe sends TCP`, hint: "add protocol: udp" };
}

const iperfExpect = z.strictObject({
  bandwidth: boundField("rate").optional().describe("Such as >= 500 Mbit/s"),
  retransmits: boundField("count").optional().describe("With tcp: segments sent again, such as <= 10"),
  loss: boundField("share").optional().describe("With udp: share of datagrams that did not arrive, such as <= 1 %"),
  jitter: boundField("time").optional().describe("With udp: interarrival jitter (RFC 3550), such as < 5 ms"),
});

/** Throughput, and of datagrams loss and jitter, with iperf3(1); docs/probes/iperf.md. */
export const iperf = defineProbe<IperfOptions>({
  kind: "iperf",
  summary: "measures bandwidth: TCP with retransmits, UDP with loss and jitter",
  options: iperfOptions,
  expect: iperfExpect,
  tools: ["iperf3", "timeout"],
  exclusive: "links",
  references: ({ from, to }) => (from === undefined ? [to] : [from, to]),
  run: async (options, ref, context) => {
    const { port, protocol, to } = options;
    const key = cellKey(ref ?? options.from, formatEndpointRef(to), { port, protocol });
    return observed(key, context.signal, async () => {
      const aim = { port, protocol };
      const from = probeSource(ref ?? options.from, context);
      const target = await resolveTarget(to, aim, from, context);
      const [server] = target.to;
      if (server === undefined || target.service !== undefined) {
        throw new LabError("IPERF_NO_SERVER", `iperf3 cannot be started in ${key.to}`, {
          hint: "name the pod, workload or node that is to receive",
        });
      }
      const cell: ProbedCell = { key, flow: flowTo(target, aim, from), destination: target.identity };
      // Not one-off (-1): the control's connection would use it up.
      const running = await context.cluster.serve(server, ["iperf3", "-s", "-p", String(port)], {
        readyPort: port,
        timeoutMs: SERVER_START_MS,
      });
      try {
        const load = datagramLoad(options);
        const isUdp = protocol === "udp";
        cell.observation = await (isUdp
          ? sendDatagrams(load, target, from, context)
          : transfer(options, target, from, context));
        if (cell.observation.outcome === "allowed") return [cell];
        const controls = isUdp ? datagramControl(load, target, context) : probeControls(target, port, "tcp", context);
        return [cell, ...(await controls)];
      } finally {
        await running.stop();
      }
    });
  },
  compare: (measured, expected) => iperfDifference(measured, expected as z.output<typeof iperfExpect>),
});

function datagramLoad({ port, bitrate, time, size, reverse, streams }: IperfOptions): DatagramLoad {
  return {
    port,
    bitrateBps: bitrate ?? DEFAULT_BITRATE_BPS,
    timeMs: time ?? DEFAULT_UDP_TIME_MS,
    size,
    reverse,
    streams,
  };
}

async function transfer(
  options: IperfOptions,
  target: ResolvedTarget,
  from: ResolvedSource,
  context: ProbeContext,
): Promise<Observation> {
  const { port, time, megabytes = DEFAULT_MEGABYTES, reverse, streams } = options;
  const client = [
    "iperf3",
    "-c",
    target.host,
    "-p",
    String(port),
    "-J",
    "--connect-timeout",
    String(Math.round(context.deadlineMs)),
    ...(time === undefined ? ["-n", `${megabytes}M`] : ["-t", wholeSeconds(time)]),
    ...(reverse === true ? ["-R"] : []),
    ...(streams === undefined ? [] : ["-P", String(streams)]),
  ];
  // On SIGINT iperf3 prints what it has; it takes no limit in both bytes and seconds.
  const argv = time === undefined ? ["timeout", "-s", "INT", String(LONGEST_TRANSFER_SECONDS), ...client] : client;
  const untilDropped = dropWatch(target, { port, protocol: "tcp" });
  const run = await runTool(context, from, argv, {
    timeoutMs: (time ?? LONGEST_TRANSFER_SECONDS * 1000) + context.deadlineMs + 10_000,
    ...(untilDropped === undefined ? {} : { untilDropped }),
  });
  const evidence: Evidence[] = [...target.notes.map((text): Evidence => ({ kind: "note", text })), run.evidence];
  const { proof, result } = run;
  if (endedByDrop(run) && proof !== undefined) {
    return observation("dropped", proofText(proof, "dropped"), { latencyMs: result.durationMs, proof, evidence });
  }
  const output = parseIperf(result.stdout);
  if (output === undefined) throw unreadable("iperf3", result);
  if (output.kind === "failure") return observeFailure(output.text, run, evidence);
  const { bandwidthBps, retransmits, bytes, seconds, isCut } = output;
  const again = retransmits === undefined ? "" : `, ${retransmits} retransmits`;
  const measured = {
    bandwidthBps,
    bytes,
    seconds,
    ...(retransmits === undefined ? {} : { retransmits }),
    side: isCut ? "sender" : "receiver",
  };
  return observation("allowed", `${formatRate(bandwidthBps)}${again}`, {
    latencyMs: seconds * 1000,
    measured,
    evidence,
  });
}

function observeFailure(
  text: string,
  { proof, result }: Awaited<ReturnType<typeof runTool>>,
  evidence: Evidence[],
): Observation {
  const latencyMs = result.durationMs;
  if (/timed out/i.test(text)) {
    return observation("dropped", proof === undefined ? text : proofText(proof, "dropped"), {
      latencyMs,
      proof,
      evidence,
    });
  }
  if (/Connection refused|No route to host|Network is unreachable|Permission denied/.test(text)) {
    return observation("rejected", proof === undefined ? text : proofText(proof, "rejected"), {
      latencyMs,
      proof,
      evidence,
    });
  }
  throw new LabError("IPERF_FAILED", `iperf3 failed: ${text}`, {
    hint: "its server was up; the transfer itself failed",
  });
}
