/** A resource record as dig prints it: presentation format (RFC 1035 5.1). */
export interface DigRecord {
  name: string;
  ttl: number;
  type: string;
  data: string;
}

/** What dig printed of the last reply it got. */
export interface DigReply {
  kind: "reply";
  /** NOERROR, NXDOMAIN, SERVFAIL, REFUSED, … */
  rcode: string;
  /** The name that was asked for in the end, with its search domain. */
  question?: string;
  answers: DigRecord[];
  /** `Query time`, in milliseconds. */
  timeMs?: number;
  server?: string;
}

/** No reply: how each try ended. */
export interface DigSilence {
  kind: "no-reply";
  /** A refusal or an ICMP error came back; else there was nothing. */
  isRefused: boolean;
  detail: string;
}

/**
 * Reads dig's default output; undefined when it is none. Of several replies (a search path, a TCP retry) the last one
 * counts. Kept to what dig 9.11 to 9.20 print alike.
 */
export function parseDig(text: string): DigReply | DigSilence | undefined {
  const header = [...text.matchAll(/->>HEADER<<- opcode: \w+, status: (\w+), id: \d+/g)].at(-1);
  if (header === undefined) return parseSilence(text);
  const reply = text.slice(header.index);
  const timeMs = /^;; Query time: (\d+) (msec|usec)/m.exec(reply);
  const server = /^;; SERVER: ([^\s#]+)#\d+/m.exec(reply)?.[1];
  const question = /^;; QUESTION SECTION:\n;(\S+)\s/m.exec(reply)?.[1];
  return {
    kind: "reply",
    rcode: header[1] ?? "",
    answers: parseAnswers(reply),
    ...(question === undefined ? {} : { question }),
    ...(timeMs === null ? {} : { timeMs: Number(timeMs[1]) / (timeMs[2] === "usec" ? 1000 : 1) }),
    ...(server === undefined ? {} : { server }),
  };
}

function parseAnswers(reply: string): DigRecord[] {
  const section = /^;; ANSWER SECTION:\n((?:[^\n;].*\n?)*)/m.exec(reply)?.[1] ?? "";
  return section.split("\n").flatMap((line) => {
    const match = /^(\S+)\s+(\d+)\s+IN\s+([A-Z0-9]+)\s+(.+)$/.exec(line);
    if (match === null) return [];
    const [, name = "", ttl, type = "", data = ""] = match;
    return [{ name, ttl: Number(ttl), type, data: data.trim() }];
  });
}

function parseSilence(text: string): DigSilence | undefined {
  const tries = [...text.matchAll(/^;; (?:communications error to \S+: (.+)|UDP setup with .* failed: (.+))$/gm)];
  const details = [...new Set(tries.map((each) => each[1] ?? each[2] ?? ""))];
  const isNone = /no servers could be reached/.test(text);
  if (details.length === 0 && !isNone) return undefined;
  const refusal = details.find((detail) => /refused|unreachable|prohibited|permission denied/i.test(detail));
  // A closed TCP connection is an answer of sorts too: the server ended it.
  const reset = details.find((detail) => /reset|end of file/i.test(detail));
  const detail = refusal ?? reset ?? details[0] ?? "timed out";
  return { kind: "no-reply", isRefused: refusal !== undefined || reset !== undefined, detail };
}
