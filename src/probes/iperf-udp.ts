import { LabError } from "../core/errors.ts";
import type { Evidence, Observation } from "../grade/types.ts";
import type { ResolvedSource } from "../providers/source.ts";
import { controlCell, selfControls } from "./controls.ts";
import { parseIperfUdp } from "./iperf-output.ts";
import type { IperfUdpOutput } from "./iperf-output.ts";
import { formatRate, roundShare } from "./iperf-figures.ts";
import { errorObservation, observation, proofText } from "./observe.ts";
import { dropWatch } from "./resolve.ts";
import type { ResolvedTarget } from "./resolve.ts";
import { endedByDrop, runTool, unreadable, wholeSeconds } from "./tool.ts";
import type { ToolRun } from "./tool.ts";
import type { ProbeContext, ProbedCell } from "./types.ts";

/** iperf3 says hello in one datagram, and never again: with a third of all datagrams lost it goes unheard in every second test. */
const MOST_HELLOS = 3;
/** What iperf3 itself needs beside the transfer: parameters and results go over its control connection. */
const EXCHANGE_SECONDS = 2;
/** iperf3 ends by the clock: what was sent this long before the end may still have been on its way. */
const UNDERWAY_MS = 100;
/** Below this share of the wanted rate the reader is told that the sender fell short. */
const RATE_MET = 0.95;

/** What to send. */
export interface DatagramLoad {
  port: number;
  /** Of all streams together. */
  bitrateBps: number;
  /** At most 20 s: three tests have to end before a probe's time is over. */
  timeMs: number;
  /** Bytes of payload; default what the control connection's TCP segments hold. */
  size?: number | undefined;
  reverse?: boolean | undefined;
  streams?: number | undefined;
}

/**
 * Sends datagrams at a fixed rate with `iperf3 -u` to a server that runs. Throws IPERF_NO_CONTROL where the tool's TCP connection,
 * by which both sides agree on the test, is not made: no datagram was sent then.
 */
export async function sendDatagrams(
  load: DatagramLoad,
  target: ResolvedTarget,
  from: ResolvedSource,
  context: ProbeContext,
): Promise<Observation> {
  const evidence: Evidence[] = target.notes.map((text) => ({ kind: "note", text }));
  for (let hello = 1; ; hello++) {
    const seen = await sendOnce(load, target, from, context, evidence);
    if (seen !== "unheard") return seen;
    context.signal.throwIfAborted();
    if (hello === MOST_HELLOS)
      return observation("dropped", `none of ${MOST_HELLOS} first datagrams was answered`, { evidence });
  }
}

/** The destination sends to itself, which no policy of the CNI sees: a control that is not graded, of pods only. */
export async function datagramControl(
  load: DatagramLoad,
  target: ResolvedTarget,
  context: ProbeContext,
): Promise<ProbedCell[]> {
  const [control] = selfControls(target, load.port, "udp");
  if (control === undefined) return [];
  const { source } = control;
  const name = `${source.namespace}/${source.name}`;
  try {
    const seen = await sendDatagrams(
      { port: load.port, bitrateBps: 1e6, timeMs: 1000, size: load.size },
      target,
      { source, name, namespace: source.namespace },
      context,
    );
    return [controlCell(control, seen)];
  } catch (error) {
    context.signal.throwIfAborted();
    return [controlCell(control, errorObservation(error))];
  }
}

async function sendOnce(
  { port, bitrateBps, timeMs, size, reverse, streams = 1 }: DatagramLoad,
  target: ResolvedTarget,
  from: ResolvedSource,
  context: ProbeContext,
  evidence: Evidence[],
): Promise<Observation | "unheard"> {
  const limitMs = timeMs + context.deadlineMs + EXCHANGE_SECONDS * 1000;
  // iperf3 would wait half a minute for an answer to its first datagram.
  const limit = ["timeout", "-s", "INT", wholeSeconds(limitMs)];
  const connect = ["-p", String(port), "-J", "--connect-timeout", String(Math.round(context.deadlineMs))];
  // iperf3's rate is that of each stream.
  const rate = ["-b", String(Math.round(bitrateBps / streams)), "-t", wholeSeconds(timeMs)];
  const argv = [
    ...limit,
    "iperf3",
    "-u",
    "-c",
    target.host,
    ...connect,
    ...rate,
    ...(size === undefined ? [] : ["-l", String(size)]),
    ...(reverse === true ? ["-R"] : []),
    ...(streams === 1 ? [] : ["-P", String(streams)]),
  ];
  const untilDropped = dropWatch(target, { port, protocol: "udp" });
  const run = await runTool(context, from, argv, {
    timeoutMs: limitMs + 10_000,
    ...(untilDropped === undefined ? {} : { untilDropped }),
  });
  evidence.push(run.evidence);
  const { proof, result } = run;
  if (endedByDrop(run) && proof !== undefined)
    return observation("dropped", proofText(proof, "dropped"), { latencyMs: result.durationMs, proof, evidence });
  const output = parseIperfUdp(result.stdout);
  if (output === undefined) throw unreadable("iperf3", result);
  if (output.kind === "result") return observeTransfer(output, bitrateBps, evidence);
  if (output.kind === "failure") return observeFailure(output.text, run, evidence);
  if (proof === undefined) return "unheard";
  return observation("dropped", proofText(proof, "dropped"), { proof, evidence });
}

function observeTransfer(output: IperfUdpOutput, bitrateBps: number, evidence: Evidence[]): Observation {
  const { sent, seconds, sentBps } = output;
  const unseen = Math.max(0, sent - output.highest);
  const underway = Math.ceil((sent / seconds) * (UNDERWAY_MS / 1000));
  // The receiver counts gaps in the numbers: a link that dies and stays dead leaves none.
  const lost = output.gaps + (unseen > underway ? unseen : 0);
  const loss = lost / sent;
  const measured = {
    protocol: "udp",
    bandwidthBps: output.bandwidthBps,
    sentBps,
    bytes: output.bytes,
    seconds,
    sent,
    lost,
    loss,
    jitterMs: output.jitterMs,
    side: "receiver",
  };
  if (sentBps < bitrateBps * RATE_MET) {
    const text = `the sender itself made ${formatRate(sentBps)} of ${formatRate(bitrateBps)}: its CPU or its own link is the limit`;
    evidence.push({ kind: "note", text });
  }
  if (output.bytes === 0)
    return observation("dropped", `none of ${sent} datagrams arrived, though the first was answered`, {
      measured: { ...measured, lost: sent, loss: 1 },
      evidence,
    });
  const figures = `${lost} of ${sent} datagrams lost (${roundShare(loss)} %), jitter ${output.jitterMs.toFixed(3)} ms`;
  return observation("allowed", `${formatRate(output.bandwidthBps)}, ${figures}`, {
    latencyMs: seconds * 1000,
    measured,
    evidence,
  });
}

function observeFailure(text: string, { proof, result }: ToolRun, evidence: Evidence[]): Observation {
  if (/unable to connect to server/.test(text))
    throw new LabError("IPERF_NO_CONTROL", `no datagram was sent: iperf3's own TCP connection failed: ${text}`, {
      hint: "UDP tests are agreed on over TCP at the same port, which must be open too; the probe udp needs no TCP",
    });
  if (/Connection refused|No route to host|unreachable|Permission denied|Operation not permitted/.test(text))
    return observation("rejected", proof === undefined ? text : proofText(proof, "rejected"), {
      latencyMs: result.durationMs,
      proof,
      evidence,
    });
  throw new LabError("IPERF_FAILED", `iperf3 failed: ${text}`, {
    hint: "its server was up; the transfer itself failed",
  });
}
