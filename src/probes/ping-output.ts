/** What ping's summary and error lines say. */
export interface PingOutput {
  sent: number;
  received: number;
  /** Milliseconds; absent without replies. */
  rtt?: { minMs: number; avgMs: number; maxMs: number };
  /** Of each reply, in milliseconds, in their order; a duplicate is none. */
  timesMs: number[];
  /** ICMP errors that came back, as ping words them, with who sent them. */
  errors: { from?: string; text: string }[];
  /** The MTU that an ICMP "fragmentation needed" or the local interface named. */
  mtu?: number;
}

const ICMP_ERROR =
  /^From (\S+?):? .*?(Destination .*|Packet filtered|Frag needed and DF set.*|Time to live exceeded|Redirect.*|Parameter problem.*|Source Quench)$/gm;

/**
 * Reads the output of iputils' ping or busybox's; undefined when it has no summary, which a translated or truncated one
 * has not.
 */
export function parsePing(text: string): PingOutput | undefined {
  const summary = /(\d+) packets transmitted, (\d+) (?:packets )?received/.exec(text);
  if (summary === null) return undefined;
  const rtt = /(?:rtt|round-trip) min\/avg\/max(?:\/mdev)? = ([\d.]+)\/([\d.]+)\/([\d.]+)/.exec(text);
  const replies = [...text.matchAll(/ time[=<]([\d.]+) ms(?! \(DUP!\))/g)];
  const mtu = /\bmtu\s?=\s?(\d+)/.exec(text);
  const errors = [...text.matchAll(ICMP_ERROR)].map(([, from, words = ""]) => ({
    text: words.trim(),
    ...(from === undefined ? {} : { from }),
  }));
  const local = /^ping: (local error: .*|sendmsg: .*)$/m.exec(text)?.[1];
  if (local !== undefined) errors.push({ text: local });
  return {
    sent: Number(summary[1]),
    received: Number(summary[2]),
    ...(rtt === null ? {} : { rtt: { minMs: Number(rtt[1]), avgMs: Number(rtt[2]), maxMs: Number(rtt[3]) } }),
    timesMs: replies.map(([, time]) => Number(time)),
    errors,
    ...(mtu === null ? {} : { mtu: Number(mtu[1]) }),
  };
}

/** ping's words where the source has no route, so that nothing was sent and there is no summary. */
export function unreachableText(text: string): string | undefined {
  return /^ping: (.*(?:Network is unreachable|No route to host|Network unreachable).*)$/m.exec(text)?.[1];
}
