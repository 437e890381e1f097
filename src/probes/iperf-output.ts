/** What `iperf3 -J` reports of one TCP test. */
export interface IperfOutput {
  kind: "result";
  bandwidthBps: number;
  /** Absent where the kernel does not tell. */
  retransmits?: number;
  bytes: number;
  seconds: number;
  /** The figures are the sender's: the test was cut off at its time limit, and the receiver's never came. */
  isCut: boolean;
}

/** iperf3's own words for why there is no result. */
export interface IperfFailure {
  kind: "failure";
  text: string;
}

/** What `iperf3 -u -J` reports of one test, all streams together. */
export interface IperfUdpOutput {
  kind: "result";
  /** Received. */
  bandwidthBps: number;
  sentBps: number;
  /** Received. */
  bytes: number;
  seconds: number;
  /** Datagrams. */
  sent: number;
  /** Highest number that arrived: behind it nobody knows of gaps. */
  highest: number;
  /** Numbers below it that did not arrive. */
  gaps: number;
  /** RFC 3550, appendix A.8; the mean of all streams. */
  jitterMs: number;
}

interface Sum {
  packets?: unknown;
  lost_packets?: unknown;
  jitter_ms?: unknown;
  bits_per_second?: unknown;
  bytes?: unknown;
  seconds?: unknown;
  retransmits?: unknown;
}

/** Reads the JSON of `iperf3 -c … -J`; undefined when it is none. iperf3 ends with 0 even when the JSON says `error`. */
export function parseIperf(stdout: string): IperfOutput | IperfFailure | undefined {
  const parsed = readReport(stdout);
  if (parsed === undefined) return undefined;
  const sent = parsed.end?.sum_sent;
  const received = parsed.end?.sum_received;
  const isCut = typeof parsed.error === "string" && parsed.error.startsWith("interrupt");
  if (typeof parsed.error === "string" && !isCut) return { kind: "failure", text: parsed.error };
  const figures = isCut ? sent : received;
  const { bits_per_second: bandwidthBps, bytes, seconds } = figures ?? {};
  if (typeof bandwidthBps !== "number" || typeof bytes !== "number" || typeof seconds !== "number" || bytes === 0) {
    return isCut ? { kind: "failure", text: "no data was sent before the time limit" } : undefined;
  }
  return {
    kind: "result",
    bandwidthBps,
    bytes,
    seconds,
    isCut,
    ...(typeof sent?.retransmits === "number" ? { retransmits: sent.retransmits } : {}),
  };
}

/**
 * Reads the JSON of `iperf3 -u -c … -J`; undefined when it is none. `unheard`: it was interrupted before any datagram of the test,
 * which is when the first one, by which iperf3 opens the stream, got no answer.
 */
export function parseIperfUdp(stdout: string): IperfUdpOutput | IperfFailure | { kind: "unheard" } | undefined {
  const parsed = readReport(stdout);
  if (parsed === undefined) return undefined;
  const { sum_sent: sent, sum_received: received } = parsed.end ?? {};
  if (typeof parsed.error === "string") {
    const isUnheard = /^interrupt|Resource temporarily unavailable/.test(parsed.error) && !(Number(sent?.packets) > 0);
    return isUnheard ? { kind: "unheard" } : { kind: "failure", text: parsed.error };
  }
  const figures = {
    bandwidthBps: received?.bits_per_second,
    sentBps: sent?.bits_per_second,
    bytes: received?.bytes,
    seconds: sent?.seconds,
    sent: sent?.packets,
    highest: received?.packets,
    gaps: received?.lost_packets,
    jitterMs: received?.jitter_ms,
  };
  if (!areNumbers(figures) || figures.sent <= 0 || figures.seconds <= 0) return undefined;
  return { kind: "result", ...figures };
}

function areNumbers<Name extends string>(figures: Record<Name, unknown>): figures is Record<Name, number> {
  return Object.values(figures).every((figure) => typeof figure === "number" && Number.isFinite(figure));
}

interface Report {
  end?: { sum_sent?: Sum; sum_received?: Sum };
  error?: unknown;
}

function readReport(stdout: string): Report | undefined {
  try {
    const parsed: unknown = JSON.parse(stdout);
    return typeof parsed === "object" && parsed !== null ? parsed : undefined;
  } catch {
    // Not JSON: the caller shows the output itself.
    return undefined;
  }
}
