import { LabError } from "../core/errors.ts";
import type { DropProof, Evidence } from "../grade/types.ts";
import type { CapturedPacket } from "../kernel/packet-reader.ts";
import { whileCapturing, type CapturePlace } from "../probes/captured.ts";
import { readLayers } from "../probes/packet-layers.ts";
import { packetText } from "../probes/path-measure.ts";
import type { Cluster, Flow } from "../providers/types.ts";
import type { SweepTurn } from "./shared-sweep.ts";

/** One SYN retransmit (RFC 6298) and a little. */
export const RETRY_DEADLINE_MS = 1100;
const SMALL_BYTES = 84;
const CAPTURED_LINES = 40;
/** Errors about the flow; echo requests are others'. */
const UNREACHABLE = "icmp[icmptype] == icmp-unreach or (icmp6 and ip6[40] < 128)";

/** What became of a flow that was tried once more. */
export interface Retried {
  outcome: "answered" | "refused" | "unreachable" | "no-answer" | "error";
  detail: string;
  proof?: DropProof;
}

/** Both ends, and the addresses that the flow may be translated to. */
export interface RetryPlaces {
  places: readonly CapturePlace[];
  addresses: readonly string[];
  /** To try it beside others. */
  turn: SweepTurn;
  signal: AbortSignal;
}

/**
 * Tries a failed flow again, with a capture at both its ends where the cluster can capture; the captures are details. Rejects with
 * what the cluster rejects with.
 */
export async function retryFlow(
  cluster: Cluster,
  flow: Flow,
  retry: RetryPlaces,
): Promise<{ retried: Retried; evidence: Evidence[] }> {
  if (cluster.capture === undefined) return { retried: await tryOnce(cluster, flow, retry), evidence: [] };
  try {
    return await retryCaptured(cluster, flow, retry);
  } catch (error) {
    if (!(error instanceof LabError) || error.code !== "CAPTURE_FAILED") throw error;
    const note: Evidence = { kind: "note", text: `tried again without a capture: ${error.message}` };
    return { retried: await tryOnce(cluster, flow, retry), evidence: [note] };
  }
}

async function retryCaptured(
  cluster: Cluster,
  flow: Flow,
  retry: RetryPlaces,
): Promise<{ retried: Retried; evidence: Evidence[] }> {
  const { places, addresses } = retry;
  const filter = captureFilter(flow, addresses);
  const { result, packets } = await whileCapturing(cluster, places, filter, () => tryOnce(cluster, flow, retry));
  const seen = places.map(({ name }, index) => ({ name, packets: packets[index] ?? [] }));
  const counts = seen.map((each) => `${each.packets.length} at ${each.name}`).join(", ");
  return {
    retried: result,
    evidence: [
      { kind: "capture", text: `tried again: ${result.outcome} (${result.detail}); packets seen: ${counts}` },
      ...seen.map((each) => captureDetail(each.name, each.packets, filter)),
    ],
  };
}

/** By the address that is aimed at and those that it is translated to: other flows are tried at the same time. */
function captureFilter({ address, port, protocol, targetPorts = [] }: Flow, addresses: readonly string[]): string {
  const hosts = [...new Set([address, ...addresses])].map((each) => `host ${each}`).join(" or ");
  if (protocol === "icmp") return `(icmp or icmp6) and (${hosts})`;
  const ports = [...new Set([port, ...targetPorts])].flatMap((each) => (each === undefined ? [] : [`port ${each}`]));
  return `${UNREACHABLE} or (${protocol} and (${ports.join(" or ")}) and (${hosts}))`;
}

async function tryOnce(
  cluster: Cluster,
  { from, address, port, protocol }: Flow,
  { turn, signal }: RetryPlaces,
): Promise<Retried> {
  if (protocol === "icmp" || port === undefined) {
    if (cluster.echo === undefined || address.includes(":"))
      return { outcome: "error", detail: "no echo request can be sent here" };
    const request = { address, sizes: [SMALL_BYTES], tries: 2, deadlineMs: RETRY_DEADLINE_MS };
    const [reply] = await cluster.echo(from, request, signal);
    if (reply?.outcome === "answered") return { outcome: "answered", detail: "echo reply" };
    if (reply === undefined || reply.outcome === "silent") return { outcome: "no-answer", detail: "no echo reply" };
    return { outcome: "unreachable", detail: reply.detail ?? reply.outcome };
  }
  const cell = await turn.try({ from, address, port, protocol });
  return { outcome: cell.outcome, detail: cell.detail, ...(cell.proof === undefined ? {} : { proof: cell.proof }) };
}

function captureDetail(name: string, packets: readonly CapturedPacket[], filter: string): Evidence {
  const lines = packets.slice(0, CAPTURED_LINES).map(({ interface: device, isIn, hex }) => {
    const layers = readLayers(Buffer.from(hex, "hex"));
    return `${isIn ? "in at" : "out at"} ${device}: ${layers === undefined ? hex : packetText(layers)}`;
  });
  const more = packets.length > lines.length ? [`[${packets.length - lines.length} more packets]`] : [];
  const text = [`capture at ${name} (${filter}):`, ...lines, ...more].join("\n");
  return { kind: "capture", text, isDetail: true };
}
