import type { Behaviour, HttpAppName } from "./behaviour.ts";

/** The pod that answers. */
export interface PodFacts {
  name: string;
  /** What gethostname(2) gives there: its name, its spec's, or on its node's network the node's. */
  hostname: string;
  namespace: string;
  ips: readonly string[];
}

/** A request as the modelled servers look at it. */
export interface HttpAsked {
  method: string;
  /** Path and query as they came. */
  target: string;
  path: string;
  query: URLSearchParams;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Raw header lines, in order, `Name: value`. */
  headerLines: readonly string[];
  remoteAddress: string;
  remotePort: number;
  /** When it came, milliseconds since the epoch. */
  nowMs: number;
}

export interface HttpReply {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** Text of a fixed-text server and the like. */
export type HttpOptions = Extract<Behaviour, { kind: "http" }>;

type HttpApp = (asked: HttpAsked, pod: PodFacts, options: HttpOptions) => HttpReply;

const text = (body: string, status = 200): HttpReply => ({
  status,
  headers: { "content-type": "text/plain; charset=utf-8" },
  body,
});
const html = (body: string, server: string, status = 200): HttpReply => ({
  status,
  headers: { "content-type": "text/html", server },
  body,
});

/** What each modelled HTTP server answers; pure, so that a readiness probe can be judged without a connection. */
export const httpApps: Readonly<Record<HttpAppName, HttpApp>> = {
  nginx: ({ path }) => {
    if (path === "/" || path === "/index.html") {
      return html(
        "<!DOCTYPE html>\n<html>\n<head><title>Welcome to nginx!</title></head>\n<body>\n<h1>Welcome to nginx!</h1>\n<p>This page is served by cnilab's model of nginx.</p>\n</body>\n</html>\n",
        "nginx",
      );
    }
    return html(
      "<html>\n<head><title>404 Not Found</title></head>\n<body>\n<center><h1>404 Not Found</h1></center>\n<hr><center>nginx</center>\n</body>\n</html>\n",
      "nginx",
      404,
    );
  },
  apache: ({ path }) =>
    path === "/" || path === "/index.html"
      ? html("<html><body><h1>It works!</h1></body></html>\n", "Apache")
      : html("<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>\n", "Apache", 404),
  netexec,
  hostname: (_asked, pod) => text(pod.hostname),
  "fixed-text": (_asked, _pod, options) => text(options.text ?? "", options.status ?? 200),
  "fixed-json": (_asked, _pod, { text: body = "", status = 200 }) => ({
    status,
    headers: { "content-type": "application/json", "x-content-type-options": "nosniff" },
    body,
  }),
  whoami: (asked, pod) => {
    if (asked.path === "/health") return text("");
    if (asked.path === "/api") {
      const { host, ...headers } = asked.headers;
      return json({
        hostname: pod.hostname,
        ip: pod.ips,
        headers,
        url: asked.target,
        host,
        method: asked.method,
        remoteAddr: remote(asked),
      });
    }
    const lines = [
      `Hostname: ${pod.hostname}`,
      ...pod.ips.map((ip) => `IP: ${ip}`),
      `RemoteAddr: ${remote(asked)}`,
      `${asked.method} ${asked.target} HTTP/1.1`,
      ...asked.headerLines,
    ];
    return text(`${lines.join("\n")}\n\n`);
  },
  "echo-json": (asked, pod) =>
    json({
      host: { hostname: String(asked.headers["host"] ?? ""), ip: asked.remoteAddress, ips: [] },
      http: { method: asked.method, baseUrl: "", originalUrl: asked.target, protocol: "http" },
      request: { params: { 0: asked.path }, query: Object.fromEntries(asked.query), headers: asked.headers },
      environment: { HOSTNAME: pod.hostname },
    }),
  "echo-text": (asked, pod) =>
    text(
      [
        `Hostname: ${pod.hostname}`,
        `Server address: ${pod.ips[0] ?? ""}`,
        `client_address=${asked.remoteAddress}`,
        `method=${asked.method}`,
        `URI: ${asked.target}`,
        "",
        ...asked.headerLines,
        "",
      ].join("\n"),
    ),
  "hello-app": (_asked, pod) => text(`Hello, world!\nVersion: 1.0.0\nHostname: ${pod.hostname}\n`),
  "directory-listing": ({ path }) =>
    path === "/"
      ? html(
          "<!DOCTYPE html>\n<html>\n<head><title>Directory listing for /</title></head>\n<body>\n<h1>Directory listing for /</h1>\n</body>\n</html>\n",
          "cnilab",
        )
      : html("<html><body><h1>404 Not Found</h1></body></html>\n", "cnilab", 404),
  "coredns-metrics": ({ path }) =>
    path === "/metrics"
      ? text(
          '# HELP coredns_build_info A metric with a constant 1 value.\n# TYPE coredns_build_info gauge\ncoredns_build_info{version="modelled"} 1\n',
        )
      : text("404 page not found\n", 404),
  "proxy-health": proxyHealth,
  ok: ({ path }) => text(path === "/ready" || path === "/health" ? "OK" : "ok\n"),
};

/** kube-proxy's own health (pkg/proxy/healthcheck/proxier_health.go): `text` is when its rules were last updated, milliseconds. */
function proxyHealth(
  { path, nowMs }: HttpAsked,
  _pod: PodFacts,
  { text: updated, isUnready = false }: HttpOptions,
): HttpReply {
  if (path !== "/healthz" && path !== "/livez") return text("404 page not found\n", 404);
  const isTurnedAway = path === "/healthz" && isUnready;
  const quoted = (ms: number): string => JSON.stringify(goTime(ms));
  const lastUpdated = quoted(isTurnedAway ? Number(updated) : nowMs);
  const eligible = path === "/healthz" ? `, "nodeEligible": ${!isUnready}` : "";
  return {
    status: isTurnedAway ? 503 : 200,
    headers: { "content-type": "application/json", "x-content-type-options": "nosniff" },
    body: `{"lastUpdated": ${lastUpdated},"currentTime": ${quoted(nowMs)}${eligible}}`,
  };
}

/** 2026-01-02 03:04:05.678 +0000 UTC, as Go prints a time. */
function goTime(ms: number): string {
  return `${new Date(ms).toISOString().replace("T", " ").replace("Z", "")} +0000 UTC`;
}

/** kubernetes test/images/agnhost/netexec; what would run a command or stop the server is refused here. */
function netexec(asked: HttpAsked, pod: PodFacts, { isUnready = false }: HttpOptions): HttpReply {
  const { path, query, headers } = asked;
  switch (path) {
    case "/clientip":
      return text(remote(asked));
    case "/echo": {
      const code = Number(query.get("code") ?? 200);
      return text(query.get("msg") ?? "", Number.isInteger(code) && code >= 200 && code < 600 ? code : 400);
    }
    case "/header": {
      const key = query.get("key") ?? "";
      return text(key === "" ? JSON.stringify(headers) : String(headers[key.toLowerCase()] ?? ""));
    }
    case "/healthz":
      return text("", isUnready ? 412 : 200);
    case "/readyz":
      return isUnready ? text("", 412) : text("ok");
    case "/hostname":
    case "/hostName":
      return text(pod.hostname);
    case "/redirect": {
      const code = Number(query.get("code") ?? 302);
      const location = (query.get("location") ?? "").replaceAll(/[^\x21-\x7e]/g, "");
      return { ...text("", Number.isInteger(code) && code >= 300 && code < 400 ? code : 400), headers: { location } };
    }
    case "/dial":
    case "/exit":
    case "/shell":
    case "/shutdown":
    case "/upload":
      return text(`${path} is not modelled\n`, 501);
    // Go's "/" takes every path that no other handler has.
    default:
      return text(`NOW: ${new Date(asked.nowMs).toISOString()}`);
  }
}

function json(value: unknown): HttpReply {
  return {
    status: 200,
    headers: { "content-type": "application/json; charset=utf-8" },
    body: `${JSON.stringify(value)}\n`,
  };
}

function remote({ remoteAddress, remotePort }: HttpAsked): string {
  return remoteAddress.includes(":") ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
}
