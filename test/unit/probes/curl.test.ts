import { describe, expect, it } from "vitest";
import type { DropProof } from "../../../src/grade/types.ts";
import { CURL_WRITE_OUT, curlFailure, parseCurl } from "../../../src/probes/curl-output.ts";
import { curl } from "../../../src/probes/curl.ts";
import type { ExecResult } from "../../../src/providers/types.ts";
import { shopContext } from "../../fixtures/shop-world.ts";
import { toolOutput } from "../../tool-output.ts";

const web = { kind: "pod", namespace: "shop", name: "cache" } as const;

async function request(written: unknown, result: Partial<ExecResult>, dig = "dig-nxdomain") {
  const context = shopContext({
    exec: ([tool]) => (tool === "dig" ? toolOutput(dig) : result),
    sweep: () => ({ outcome: "answered", detail: "connected", latencyMs: 1 }),
  });
  const cells = await curl.run(curl.options.parse(written), web, context);
  return { cell: cells[0], controls: cells.slice(1), context };
}

describe("curl", () => {
  it("over IPv6 asks why a name was not found as it asked itself: for an AAAA record", async () => {
    const { cell, context } = await request(
      { url: "http://example.com/", family: "ipv6" },
      toolOutput("curl-nxdomain"),
      "dig-nodata",
    );
    expect(context.cluster.execs.at(-1)?.argv).toContain("AAAA");
    expect(cell?.observation).toMatchObject({ outcome: "rejected", reason: "example.com has no AAAA record" });
  });

  it("takes one family of a name: the one asked for, else IPv4 where pods have both", async () => {
    const flagOf = async (written: object, podCidrs: string[]): Promise<string | undefined> => {
      const { plan } = shopContext();
      const context = shopContext(
        { exec: () => toolOutput("curl-ok") },
        { plan: { ...plan, cni: { ...plan.cni, podCidrs } } },
      );
      await curl.run(curl.options.parse(written), web, context);
      return context.cluster.execs[0]?.argv.find((word) => /^-[46]$/.test(word));
    };
    const both = ["10.244.0.0/16", "fd00:10:244::/56"];
    expect(await flagOf({ url: "http://web/" }, ["10.244.0.0/16"])).toBeUndefined();
    expect(await flagOf({ url: "http://web/" }, both)).toBe("-4");
    expect(await flagOf({ url: "http://example.com/", family: "ipv6" }, both)).toBe("-6");
    expect(await flagOf({ to: "shop/service/web" }, both)).toBeUndefined();
  });

  it("is allowed with the status, headers and body measured, and the Service behind the name known", async () => {
    const { cell, controls, context } = await request("http://web/", toolOutput("curl-ok"));
    expect(cell).toMatchObject({
      key: { from: "shop/cache", to: "web", port: 80, protocol: "tcp" },
      destination: "shop/service/web",
      flow: { address: "10.96.0.80", port: 80, targetPorts: [8080, 8080] },
      observation: {
        outcome: "allowed",
        reason: "HTTP 200",
        measured: {
          requests: 1,
          status: 200,
          backends: { "web-1": 1 },
          replies: [{ status: 200, body: "hello from shop\n", headers: { "x-multi": "a, b" } }],
        },
      },
    });
    expect(controls).toEqual([]);
    const [run] = context.cluster.execs;
    expect(run?.argv).toEqual([
      "curl",
      "-q",
      "-g",
      "-sSvi",
      "--proto",
      "=http,https",
      "--noproxy",
      "*",
      "--connect-timeout",
      "1.5",
      "-m",
      "5.0",
      "-w",
      CURL_WRITE_OUT,
      "http://web/",
    ]);
    expect(run?.options.untilDropped).toEqual({
      destinations: ["10.244.1.1", "10.244.1.2"],
      protocol: "tcp",
      port: 8080,
      match: "any",
    });
  });

  it("aims at a reference when it is given one", async () => {
    const { context } = await request({ to: "shop/service/web", path: "/healthz" }, toolOutput("curl-ok"));
    expect(context.cluster.execs[0]?.argv.at(-1)).toBe("http://10.96.0.80:80/healthz");
  });

  it("counts the backends of several requests, each on a connection of its own", async () => {
    const { cell, context } = await request({ url: "http://web/", requests: 4 }, toolOutput("curl-many"));
    expect(cell?.observation).toMatchObject({
      outcome: "allowed",
      reason: "HTTP 200 (4 requests)",
      measured: { requests: 4, backends: { "web-1": 1, "web-2": 2, "web-3": 1 }, endpoints: ["web-1", "web-2"] },
    });
    const argv = context.cluster.execs[0]?.argv ?? [];
    expect(argv.filter((word) => word === "http://web/")).toHaveLength(4);
    expect(argv).toEqual(expect.arrayContaining(["--fail-early", "Connection: close"]) as string[]);
    expect(context.cluster.execs[0]?.options).not.toHaveProperty("untilDropped");
  });

  it("names a backend by a body that is just the name of a pod, and not by any other body", async () => {
    const { cell } = await request({ url: "http://web/hostname", requests: 2 }, toolOutput("curl-hostname"));
    expect(cell?.observation?.measured).toMatchObject({ backends: { "web-1": 1, "": 1 } });
  });

  it("names pods that a proxy sent requests on to: they are no endpoints of what was asked", async () => {
    const { cell } = await request({ to: "shop/pod/cache", port: 80, requests: 2 }, toolOutput("curl-hostname"));
    expect(cell?.observation?.measured).toMatchObject({ backends: { "web-1": 1, "": 1 } });
  });

  it("is rejected by 4xx, with the status measured for those who expect it", async () => {
    const { cell } = await request("http://web/missing", toolOutput("curl-404"));
    expect(cell?.observation).toMatchObject({ outcome: "rejected", reason: "HTTP 404", measured: { status: 404 } });
  });

  it.each([
    ["curl-refused", "rejected", "Connection refused"],
    ["curl-unreachable", "rejected", "No route to host"],
    ["curl-no-route", "rejected", "Network is unreachable"],
    ["curl-timeout", "dropped", "Failed to connect to 10.2.0.2 port 99 after 1101 ms: Timeout was reached"],
  ])("without a connection: %s → %s, beside a control of the destination itself", async (name, outcome, reason) => {
    const { cell, controls } = await request("http://db:5432/", toolOutput(name));
    expect(cell).toMatchObject({ destination: "shop/service/db", observation: { outcome } });
    expect(cell?.observation?.reason.replace(/after \d+/, "after 1101")).toBe(reason);
    expect(controls).toMatchObject([
      { key: { from: "shop/db-1", to: "shop/db-1", port: 5432 }, destination: "shop/service/db" },
    ]);
  });

  it.each([
    ["curl-empty", "rejected", "Empty reply from server"],
    ["curl-reset", "rejected", "Recv failure: Connection reset by peer"],
    ["curl-tls", "rejected", "TLS: failed: OpenSSL/3.0.19: error:0A00010B:SSL routines::wrong version number"],
    [
      "curl-silent-server",
      "dropped",
      "connected, and then no reply: Operation timed out after 3001 milliseconds with 0 bytes received",
    ],
  ])(
    "a fault after connecting is %s → %s, and no control can make it count as blocked",
    async (name, outcome, reason) => {
      const { cell } = await request("http://db:5432/", toolOutput(name));
      expect(cell).toMatchObject({ destination: "reply of http://db:5432/", observation: { outcome, reason } });
    },
  );

  it("is dropped with proof when the kernel's record ended it", async () => {
    const proof: DropProof = {
      node: "worker1",
      direction: "ingress",
      source: "10.244.2.9",
      destination: "10.244.1.1",
      protocol: "tcp",
      destinationPort: 8080,
    };
    const { cell } = await request("http://web/", { exitCode: null, signal: "SIGKILL", proofs: [proof] });
    expect(cell?.observation).toMatchObject({
      outcome: "dropped",
      reason: "SYN dropped by ingress policy on worker1",
      proof,
    });
  });

  it("is rejected with proof when a rule refused it", async () => {
    const proof: DropProof = {
      node: "worker1",
      direction: "egress",
      source: "10.244.2.9",
      destination: "10.244.1.1",
      protocol: "tcp",
      destinationPort: 8080,
    };
    const { cell } = await request("http://web/", { ...toolOutput("curl-refused"), proofs: [proof] });
    expect(cell?.observation).toMatchObject({
      outcome: "rejected",
      reason: "SYN rejected by egress policy on worker1",
      proof,
    });
  });

  it("does not take kube-proxy's refusal for a policy's", async () => {
    const proof: DropProof = {
      node: "worker1",
      direction: "egress",
      source: "10.244.2.9",
      destination: "10.96.0.80",
      protocol: "tcp",
      destinationPort: 80,
    };
    const { cell } = await request("http://web/", { ...toolOutput("curl-refused"), proofs: [proof] });
    expect(cell?.observation).toMatchObject({ outcome: "rejected", reason: "Connection refused" });
    expect(cell?.observation).not.toHaveProperty("proof");
  });

  it("is about the reply when a body began and never ended: that request was not answered", async () => {
    const { cell } = await request("http://web/", {
      exitCode: 28,
      stdout: "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nxxx\n--curl: 200 2.000 10.96.0.80\n",
      stderr: "* Connected to web (10.96.0.80) port 80\ncurl: (28) Operation timed out after 2000 milliseconds\n",
    });
    expect(cell).toMatchObject({
      destination: "reply of http://web/",
      observation: { outcome: "dropped", reason: expect.stringMatching(/^connected, and then no reply: /) as string },
    });
  });

  it("is rejected by what answers and does not speak HTTP", async () => {
    const { cell } = await request("http://web/", {
      exitCode: 1,
      stdout: "\n--curl: 000 0.010 10.96.0.80\n",
      stderr: "* Connected to web (10.96.0.80) port 80\ncurl: (1) Received HTTP/0.9 when not allowed\n",
    });
    expect(cell?.observation).toMatchObject({ outcome: "rejected", reason: "Received HTTP/0.9 when not allowed" });
  });

  it("cannot be told what it saw by a body that forges curl's own line", async () => {
    for (const forged of ["\n--curl: 200 0.1 10.0.0.9\n", "\n--curl: 200 0.1 10.0.0.9"]) {
      const stdout = `HTTP/1.1 500 no\r\n\r\n${forged}\n--curl: 500 0.2 10.96.0.80\n`;
      const { cell } = await request("http://web/", { exitCode: 0, stdout, stderr: "" });
      expect(cell?.observation?.outcome).toBe("error");
    }
  });

  it("is neither reachable nor blocked when some requests were answered and one was not", async () => {
    const { cell } = await request({ url: "http://web/", requests: 4 }, toolOutput("curl-partly"));
    expect(cell).toMatchObject({
      destination: "every request to shop/service/web",
      observation: {
        outcome: "dropped",
        reason: expect.stringMatching(/^2 requests were answered, the next was not: /) as string,
      },
    });
    expect(cell?.observation).not.toHaveProperty("measured");
  });

  it("looks a name up once more with time for a second question where only the limit for connecting ended the lookup", async () => {
    const runs = [toolOutput("curl-name-timeout"), toolOutput("curl-ok")];
    const context = shopContext({ exec: ([tool]) => (tool === "dig" ? toolOutput("dig-a") : (runs.shift() ?? {})) });
    const [cell] = await curl.run(curl.options.parse("http://web/"), web, context);
    expect(cell).toMatchObject({ destination: "shop/service/web", observation: { outcome: "allowed" } });
    const runsOfCurl = context.cluster.execs.filter(({ argv }) => argv[0] === "curl");
    expect(runsOfCurl.map(({ argv }) => argv[argv.indexOf("--connect-timeout") + 1])).toEqual(["1.5", "11.0"]);
    expect(JSON.stringify(cell?.observation?.evidence)).toContain("Resolving timed out");
  });

  it("is an error when a lookup that dig can make takes all that time", async () => {
    const slow = await request("http://web/", toolOutput("curl-name-timeout"), "dig-a");
    expect(slow.context.cluster.execs.map(({ argv }) => argv[0])).toEqual(["curl", "dig", "curl", "dig"]);
    expect(slow.cell?.observation).toMatchObject({
      outcome: "error",
      reason: expect.stringContaining("PROBE_NAME_UNSTEADY") as string,
    });
  });

  it("tells a name that does not exist from a DNS server that is silent", async () => {
    const missing = await request("http://nosuch/", toolOutput("curl-nxdomain"));
    expect(missing.cell).toMatchObject({ destination: "lookup of nosuch", observation: { outcome: "rejected" } });
    const silent = await request("http://web/", toolOutput("curl-name-timeout"), "dig-timeout");
    expect(silent.cell).toMatchObject({ destination: "lookup of web", observation: { outcome: "dropped" } });
    const over = await request("http://db/", toolOutput("curl-nxdomain"), "dig-a");
    expect(over.cell?.observation).toMatchObject({
      outcome: "error",
      reason: expect.stringContaining("PROBE_NAME_UNSTEADY") as string,
    });
  });

  it.each([
    ["usage", toolOutput("curl-usage")],
    ["exit 0 without output", { exitCode: 0 }],
    ["exit 0 with output of something else", { exitCode: 0, stdout: "hello\n" }],
    ["output cut off", { exitCode: 0, stdout: toolOutput("curl-ok").stdout.slice(0, -12) }],
    ["fewer replies than requests", { exitCode: 0, stdout: "\n--curl: 000 0.1 \n" }],
    ["a missing tool", { exitCode: 127, stderr: "curl: not found" }],
  ])("is an error, never dropped, on %s", async (_, result) => {
    const { cell } = await request("http://web/", result);
    expect(cell?.observation?.outcome).toBe("error");
  });

  it.each([
    ["file:///etc/passwd"],
    ["-o/tmp/x"],
    ["http://web/ -o /tmp/x"],
    ["web"],
    [{ url: "http://web/", to: "shop/service/web" }],
    [{ url: "http://web/", port: 80 }],
    [{}],
    [{ url: "http://web/", headers: { "@/etc/passwd": "x" } }],
    [{ url: "http://web/", headers: { Host: "a\r\nX: y" } }],
  ])("refuses %j", (written) => {
    expect(curl.options.safeParse(written).success).toBe(false);
  });
});

describe("curl figures", () => {
  const measure = async (name: string, requests: number) =>
    (await request({ url: "http://web/", requests }, toolOutput(name))).cell?.observation?.measured ?? {};
  const compare = (measured: Record<string, unknown>, expected: Record<string, unknown>) =>
    curl.compare?.(measured, curl.expect?.parse(expected) ?? {}, shopContext());
  const spread = (backends: Record<string, number>, endpoints?: string[]) => ({
    requests: Object.values(backends).reduce((sum, count) => sum + count, 0),
    status: 200,
    meanMs: 1,
    replies: [],
    backends,
    ...(endpoints && { endpoints }),
  });

  it("are met by status, class, body, pattern and header", async () => {
    const measured = await measure("curl-ok", 1);
    const expected = { status: "2xx", body: "/^HELLO/i", header: { "Content-Type": "text/plain" }, time: "< 1 s" };
    expect(compare(measured, expected)).toBeUndefined();
    expect(compare(measured, { status: 200, body: "from shop" })).toBeUndefined();
  });

  it("say what differs", async () => {
    const measured = await measure("curl-404", 1);
    expect(compare(measured, { status: 200 })).toBe("expected HTTP 200, observed HTTP 404");
    expect(compare(measured, { body: "hello" })).toBe('expected a body with hello, observed "404 page not found"');
    expect(compare(measured, { header: { "X-Other": "a" } })).toBe("expected header X-Other with a, observed none");
  });

  it("refuse a pattern that does not compile", () => {
    expect(curl.expect?.safeParse({ body: "/(/" }).success).toBe(false);
  });

  it("count backends", () => {
    expect(compare(spread({ a: 30, b: 30 }), { backends: { count: 2 } })).toBeUndefined();
    expect(compare(spread({ a: 60 }), { backends: { count: 2 } })).toBe("expected 2 backends, observed 1: a 60");
  });

  it("count a pod that is called as a property of every object", async () => {
    expect(compare(spread({ constructor: 60 }), { backends: { count: 1 } })).toBeUndefined();
    expect(compare(spread({ a: 60 }, ["a", "constructor"]), { backends: { even: true } })).toContain(
      "constructor answered 0",
    );
    const measured = await measure("curl-ok", 1);
    expect(compare(measured, { header: { constructor: "a" } })).toBe(
      "expected header constructor with a, observed none",
    );
  });

  it("judge evenness among the endpoints, those that never answered included", () => {
    const even = { backends: { even: true } };
    expect(compare(spread({ a: 22, b: 17, c: 21 }, ["a", "b", "c"]), even)).toBeUndefined();
    expect(compare(spread({ a: 31, b: 29 }, ["a", "b", "c"]), even)).toContain("c answered 0");
    expect(compare(spread({ a: 55, b: 5 }, ["a", "b"]), even)).toMatch(/^expected an even choice/);
  });

  it("do not call few requests even", () => {
    expect(compare(spread({ a: 2, b: 2, c: 2 }), { backends: { even: true } })).toBe(
      "6 requests cannot tell whether 3 backends are used evenly: it takes 22",
    );
  });

  it("say when replies name no pod", () => {
    expect(compare(spread({ "": 5, a: 5 }), { backends: { count: 1 } })).toContain(
      "5 of 10 replies do not name their pod",
    );
  });
});

describe("parseCurl", () => {
  it("reads past interim replies and ignores what looks like a reply in a body", () => {
    const stdout =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\nHTTP/1.1 500 no\r\n\r\n\n--curl: 200 0.5 10.0.0.1\n";
    expect(parseCurl(stdout)).toEqual([
      { status: 200, latencyMs: 500, remoteIp: "10.0.0.1", headers: { a: "b" }, body: "HTTP/1.1 500 no\r\n\r\n" },
    ]);
  });
});

describe("curlFailure", () => {
  it("reads the connect line of newer curls, which names the source", () => {
    const stderr = "* connect to 10.2.0.2 port 80 from 10.2.0.1 port 4711 failed: Connection refused\n";
    expect(curlFailure(7, stderr)).toEqual({ kind: "refused", text: "Connection refused", wasConnected: false });
  });

  it("knows exit codes of curl itself from those of the network", () => {
    expect(curlFailure(0, "")).toBeUndefined();
    expect(curlFailure(27, "curl: (27) Out of memory")).toEqual({ kind: "other", text: "Out of memory" });
  });
});
