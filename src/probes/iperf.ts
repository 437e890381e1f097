import * as z from "zod";
import { meetsBound } from "../core/bound.ts";
import { LabError } from "../core/errors.ts";
import type { Evidence, Observation } from "../grade/types.ts";
import { boundField, durationField, endpointField, portField } from "../lab/fields.ts";
import { formatEndpointRef } from "../lab/refs.ts";
import type { ResolvedSource } from "../providers/source.ts";
import { probeControls } from "./controls.ts";
import { boundDifference } from "./figures.ts";
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

const iperfOptions = z.strictObject({
  from: endpointField().optional().describe("Who sends; may stand beside the kind's key instead"),
  to: endpointField().describe("Who receives: pod, workload, node/NAME or external"),
  port: portField().default(DEFAULT_PORT).describe("TCP port of the server that is started in `to` for the probe"),
  megabytes: z.int().min(1).max(10_000).optional().describe("Send this much, for 2 s at most; default 100"),
  time: durationField().optional().describe("Send for this long instead, in whole seconds, such as 5s"),
  reverse: z.boolean().optional().describe("`to` sends, `from` receives"),
  streams: z.int().min(1).max(32).optional().describe("Parallel TCP connections"),
});

type IperfOptions = z.output<typeof iperfOptions>;

const iperfExpect = z.strictObject({
  bandwidth: boundField("rate").optional().describe("Such as >= 500 Mbit/s"),
  retransmits: boundField("count").optional().describe("TCP segments sent again, such as <= 10"),
});

/** TCP throughput with iperf3(1); docs/probes/iperf.md. */
export const iperf = defineProbe<IperfOptions>({
  kind: "iperf",
  summary: "measures TCP bandwidth and retransmits",
  options: iperfOptions,
  expect: iperfExpect,
  tools: ["iperf3", "timeout"],
  exclusive: "links",
  references: ({ from, to }) => (from === undefined ? [to] : [from, to]),
  run: async (options, ref, context) => {
    const { port, to } = options;
    const key = cellKey(ref ?? options.from, formatEndpointRef(to), { port, protocol: "tcp" });
    return observed(key, context.signal, async () => {
      const aim = { port, protocol: "tcp" as const };
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
        cell.observation = await transfer(options, target, from, context);
        const isAnswered = cell.observation.outcome === "allowed";
        return [cell, ...(isAnswered ? [] : await probeControls(target, port, "tcp", context))];
      } finally {
        await running.stop();
      }
    });
  },
  compare: (measured, expected) => {
    const { bandwidthBps, retransmits } = measured as { bandwidthBps?: number; retransmits?: number };
    const bounds = expected as z.output<typeof iperfExpect>;
    if (bounds.bandwidth !== undefined && (bandwidthBps === undefined || !meetsBound(bandwidthBps, bounds.bandwidth))) {
      return boundDifference(
        "bandwidth",
        bounds.bandwidth,
        bandwidthBps === undefined ? undefined : formatRate(bandwidthBps),
      );
    }
    if (
      bounds.retransmits !== undefined &&
      (retransmits === undefined || !meetsBound(retransmits, bounds.retransmits))
    ) {
      return boundDifference(
        "retransmits",
        bounds.retransmits,
        retransmits === undefined ? undefined : String(retransmits),
      );
    }
    return undefined;
  },
});

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

/** `1.24 Gbit/s`; decimal prefixes, as links are sold. */
function formatRate(bandwidthBps: number): string {
  const units = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"];
  let figure = bandwidthBps;
  let unit = 0;
  while (figure >= 1000 && unit < units.length - 1) {
    figure /= 1000;
    unit++;
  }
  return `${figure.toPrecision(3)} ${units[unit]}`;
}
