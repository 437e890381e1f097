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

interface Sum {
  bits_per_second?: unknown;
  bytes?: unknown;
  seconds?: unknown;
  retransmits?: unknown;
}

/** Reads the JSON of `iperf3 -c … -J`; undefined when it is none. iperf3 ends with 0 even when the JSON says `error`. */
export function parseIperf(stdout: string): IperfOutput | IperfFailure | undefined {
  let parsed: { end?: { sum_sent?: Sum; sum_received?: Sum }; error?: unknown } | null;
  try {
    parsed = JSON.parse(stdout) as typeof parsed;
  } catch {
    // Not JSON: the caller shows the output itself.
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null) return undefined;
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
