/** Of the client's request, as far as headers are made of it. */
export interface ClientRequest {
  rawHeaders: readonly string[];
  /** What it asked for, its port included. */
  host: string;
  clientAddress: string;
  isTls: boolean;
}

/** Headers by name, in the order they first came. */
export type Headers = Map<string, string[]>;

/** What a client may not say of itself (pkg/middlewares/forwardedheaders). */
const FORWARDED = new Set([
  "X-Forwarded-Proto",
  "X-Forwarded-For",
  "X-Forwarded-Host",
  "X-Forwarded-Port",
  "X-Forwarded-Server",
  "X-Forwarded-Uri",
  "X-Forwarded-Method",
  "X-Forwarded-Prefix",
  "X-Forwarded-Tls-Client-Cert",
  "X-Forwarded-Tls-Client-Cert-Info",
  "X-Real-Ip",
]);

/** Headers of one connection alone (RFC 9110 7.6.1; Go's httputil.ReverseProxy). */
const HOP_BY_HOP = [
  "Connection",
  "Proxy-Connection",
  "Keep-Alive",
  "Proxy-Authenticate",
  "Proxy-Authorization",
  "Te",
  "Trailer",
  "Transfer-Encoding",
  "Upgrade",
];

/** Written so by clients, whatever Go makes of them (pkg/proxy/httputil cleanWebSocketHeaders). */
const WEBSOCKET = /^Sec-Websocket-(Key|Extensions|Accept|Protocol|Version)$/;

/** Names as Go writes them (textproto.CanonicalMIMEHeaderKey). */
export function headersOf(rawHeaders: readonly string[]): Headers {
  const headers: Headers = new Map();
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = canonicalName(rawHeaders[index] ?? "");
    const value = rawHeaders[index + 1] ?? "";
    const present = headers.get(name);
    if (present === undefined) headers.set(name, [value]);
    else present.push(value);
  }
  return headers;
}

/** As Go writes it. */
export function canonicalName(name: string): string {
  return name.toLowerCase().replaceAll(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
}

/** What a request upgrades to; undefined where it does not ask for it. */
export function upgradeOf(headers: Headers): string | undefined {
  return tokensOf(headers, "Connection").some((token) => token.toLowerCase() === "upgrade")
    ? headers.get("Upgrade")?.[0]
    : undefined;
}

function tokensOf(headers: Headers, name: string): string[] {
  const values = headers.get(name) ?? [];
  return values
    .flatMap((value) => value.split(","))
    .map((token) => token.trim())
    .filter((token) => token !== "");
}

/** What the server is sent: the client's headers without those of its connection, and what Traefik says of it. */
export function requestHeaders(client: ClientRequest, server: string): Headers {
  const headers = headersOf(client.rawHeaders);
  const upgrade = upgradeOf(headers);
  const hasTrailers = tokensOf(headers, "Te").includes("trailers");
  for (const name of FORWARDED) headers.delete(name);
  for (const token of tokensOf(headers, "Connection")) headers.delete(canonicalName(token));
  for (const name of HOP_BY_HOP) headers.delete(name);
  headers.delete("Host");
  if (hasTrailers) headers.set("Te", ["trailers"]);
  if (upgrade !== undefined) headers.set("Connection", ["Upgrade"]).set("Upgrade", [upgrade]);
  const { clientAddress, isTls, host } = client;
  const scheme = upgrade?.toLowerCase() === "websocket" ? "ws" : "http";
  headers.set("X-Forwarded-For", [clientAddress]);
  if (host !== "") headers.set("X-Forwarded-Host", [host]);
  headers.set("X-Forwarded-Port", [/:(\d+)$/.exec(host)?.[1] ?? (isTls ? "443" : "80")]);
  headers.set("X-Forwarded-Proto", [isTls ? `${scheme}s` : scheme]);
  headers.set("X-Forwarded-Server", [server]);
  headers.set("X-Real-Ip", [clientAddress]);
  return new Map([...headers].map(([name, values]) => [name.replace(WEBSOCKET, "Sec-WebSocket-$1"), values]));
}

/** What rules are compared with: the client's headers, but for what Traefik itself says of where they came from. */
export function ruleHeaders(client: ClientRequest, server: string): Headers {
  const headers = headersOf(client.rawHeaders);
  headers.delete("Host");
  const said = requestHeaders(client, server);
  for (const name of FORWARDED) {
    const values = said.get(name);
    if (values === undefined) headers.delete(name);
    else headers.set(name, values);
  }
  return headers;
}

/** What the client is sent of the server's headers; with an upgrade those of the connection, too. */
export function responseHeaders(rawHeaders: readonly string[], isUpgrade = false): Headers {
  const headers = headersOf(rawHeaders);
  if (isUpgrade) return headers;
  for (const token of tokensOf(headers, "Connection")) headers.delete(canonicalName(token));
  for (const name of HOP_BY_HOP) headers.delete(name);
  return headers;
}
