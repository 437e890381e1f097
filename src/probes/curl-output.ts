/** What curl writes after each transfer (`-w`); a line no header can hold, and readable in the evidence. */
export const CURL_WRITE_OUT = "\\n--curl: %{http_code} %{time_total} %{remote_ip}\\n";

const TRAILER = /\n--curl: (\d{3}) ([\d.,]+) ?(\S*)\n/g;

/** One HTTP reply. */
export interface HttpReply {
  status: number;
  latencyMs: number;
  /** Names in lower case; repeated ones joined by ", " (RFC 9110 5.2). */
  headers: Record<string, string>;
  body: string;
  remoteIp: string;
}

/**
 * Splits `curl -i -w CURL_WRITE_OUT URL…` into its replies, in order; a transfer without one has status 0. Undefined when
 * the output is cut or is none.
 */
export function parseCurl(stdout: string): HttpReply[] | undefined {
  const replies: HttpReply[] = [];
  let start = 0;
  for (const match of stdout.matchAll(TRAILER)) {
    const [, status, seconds = "0", remoteIp = ""] = match;
    const text = stdout.slice(start, match.index);
    start = match.index + match[0].length;
    replies.push({
      status: Number(status),
      latencyMs: Number(seconds.replace(",", ".")) * 1000,
      remoteIp,
      ...splitReply(text),
    });
  }
  return replies.length === 0 || stdout.slice(start).trim() !== "" ? undefined : replies;
}

function splitReply(text: string): Pick<HttpReply, "headers" | "body"> {
  let rest = text;
  let headers: Record<string, string> = {};
  // Interim replies (100 Continue, 103) stand before the final one.
  for (let block = headerBlock(rest); block !== undefined; block = headerBlock(rest)) {
    headers = parseHeaders(block.text);
    rest = rest.slice(block.length);
    if (!/^HTTP\/\S+ 1\d\d/.test(block.text)) break;
  }
  return { headers, body: rest };
}

function headerBlock(text: string): { text: string; length: number } | undefined {
  const match = /^HTTP\/[\d.]+ \d{3}[^\n]*\n(?:[^\r\n]+\r?\n)*\r?\n/.exec(text);
  return match === null ? undefined : { text: match[0], length: match[0].length };
}

function parseHeaders(block: string): Record<string, string> {
  const headers = new Map<string, string>();
  for (const line of block.split(/\r?\n/).slice(1)) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const name = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return Object.fromEntries(headers);
}

/** What became of TLS; `unchecked`: any certificate was accepted, `failed`: the handshake, whatever the certificate. */
export const TLS_OUTCOMES = ["trusted", "unchecked", "untrusted", "wrong-name", "expired", "failed"] as const;
export type TlsOutcome = (typeof TLS_OUTCOMES)[number];

/** Why a transfer ended without a reply, from curl's exit code and its words (curl(1), EXIT CODES). */
export type CurlFailure =
  /**
   * The name: NXDOMAIN or a DNS server that did not answer; curl words both alike. `wasCutOff`: the limit for connecting,
   * which curl takes for the lookup too, ended it before the resolver did.
   */
  | { kind: "name"; text: string; wasCutOff: boolean }
  /** An answer that refuses: RST, ICMP, or a connection that was closed after it was open. */
  | { kind: "refused"; text: string; wasConnected: boolean }
  | { kind: "silent"; text: string; wasConnected: boolean }
  /** The peer was reached, and TLS went wrong, by its certificate or the handshake: no request was sent. */
  | { kind: "tls"; text: string; outcome: TlsOutcome }
  /** Of curl itself, its arguments or this host: says nothing of the network. */
  | { kind: "other"; text: string };

/** Exit codes of a peer that was reached and then refused: no reply 52, send 55, receive 56, HTTP/2 92, … */
const REFUSED_AFTER_CONNECT: ReadonlySet<number> = new Set([16, 18, 35, 52, 55, 56, 92]);

/** Reads how curl failed; undefined for exit 0. */
export function curlFailure(exitCode: number, stderr: string): CurlFailure | undefined {
  if (exitCode === 0) return undefined;
  const said = /^curl: \(\d+\) (.+)$/m.exec(stderr)?.[1]?.trim() ?? `exit code ${exitCode}`;
  // "Established connection" is what curl says from 8.15 on.
  const isConnected =
    /^\* (Connected to|Established connection) /m.test(stderr) &&
    !/^\* (connect to|Immediate connect fail|Failed to connect)/m.test(stderr);
  if (exitCode === 6) return { kind: "name", text: said, wasCutOff: false };
  if (exitCode === 7) return connectFailure(stderr, said);
  if (exitCode === 28) {
    return /Resolving timed out|name lookup timed out|Could not resolve/i.test(said)
      ? { kind: "name", text: said, wasCutOff: true }
      : {
          kind: "silent",
          text: said,
          wasConnected: isConnected && !/^(Connection timed? ?out|Failed to connect)/i.test(said),
        };
  }
  const outcome = tlsOutcome(exitCode, said);
  if (outcome !== undefined) return { kind: "tls", text: said, outcome };
  // Also code 1, which else is about the URL's scheme: the peer answered without a status line (curl 7.66 on).
  if (REFUSED_AFTER_CONNECT.has(exitCode) || said.startsWith("Received HTTP/0.9"))
    return { kind: "refused", text: said, wasConnected: true };
  return { kind: "other", text: said };
}

/** 60: the certificate, in OpenSSL's words (x509_txt.c) or curl's own; 35: the handshake, unless the connection was cut meanwhile. */
function tlsOutcome(exitCode: number, said: string): TlsOutcome | undefined {
  if (exitCode === 35)
    return /reset by peer|SSL_ERROR_SYSCALL|Broken pipe|Recv failure/i.test(said) ? undefined : "failed";
  if (exitCode !== 60) return undefined;
  if (/expired|not yet valid/i.test(said)) return "expired";
  return /subject ?name|does not match|mismatch/i.test(said) ? "wrong-name" : "untrusted";
}

/** curl's own line says only "Couldn't connect to server" (7.85 on); the errno's words are in its -v lines. */
function connectFailure(stderr: string, said: string): CurlFailure {
  const errno =
    /^\* +(?:connect to .* failed|Immediate connect fail for .*?): ([A-Z][^:\r\n]*)$/m.exec(stderr)?.[1]?.trim() ??
    /: (Connection refused|No route to host|Network is unreachable|Permission denied)$/.exec(said)?.[1];
  if (errno === "Connection timed out") return { kind: "silent", text: errno, wasConnected: false };
  return { kind: "refused", text: errno ?? said, wasConnected: false };
}
