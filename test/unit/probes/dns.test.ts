import { describe, expect, it } from "vitest";
import type { DropProof } from "../../../src/grade/types.ts";
import { parseDig } from "../../../src/probes/dig-output.ts";
import { dns } from "../../../src/probes/dns.ts";
import type { ExecResult } from "../../../src/providers/types.ts";
import { shopContext, shopObjects, shopService } from "../../fixtures/shop-world.ts";
import { toolOutput } from "../../tool-output.ts";

const web = { kind: "workload", namespace: "shop", workload: "deployment", name: "web" } as const;

async function ask(options: Record<string, unknown>, result: Partial<ExecResult>) {
  const context = shopContext({
    exec: () => result,
    sweep: () => ({ outcome: "answered", detail: "29 bytes", latencyMs: 1 }),
  });
  const cells = await dns.run(dns.options.parse(options), web, context);
  return { cell: cells[0], controls: cells.slice(1), context };
}

describe("dns", () => {
  it("asks through the pod's own search path and measures the answer", async () => {
    const { cell, controls, context } = await ask({ name: "db" }, toolOutput("dig-a"));
    expect(context.cluster.execs[0]?.argv).toEqual(["dig", "+search", "+time=1", "+tries=2", "-q", "db", "-t", "A"]);
    expect(cell).toMatchObject({
      key: { from: "shop/deployment/web", to: "db", port: 53, protocol: "udp" },
      destination: "kube-system/service/kube-dns",
      flow: { address: "10.96.0.10", port: 53, protocol: "udp", targetPorts: [53] },
      observation: {
        outcome: "allowed",
        reason: "db → 10.96.12.34",
        latencyMs: 4,
        measured: {
          rcode: "NOERROR",
          name: "db.shop.svc.cluster.local",
          addresses: ["10.96.12.34"],
          records: ["10.96.12.34"],
          namespace: "shop",
        },
      },
    });
    expect(controls).toEqual([]);
  });

  it("asks absolute names, addresses, other servers and TCP as it is told", async () => {
    const argvOf = async (options: Record<string, unknown>) =>
      (await ask(options, toolOutput("dig-ptr"))).context.cluster.execs[0]?.argv.join(" ");
    expect(await argvOf({ name: "db.shop.svc.cluster.local." })).toContain("+nosearch");
    expect(await argvOf({ name: "10.96.12.34" })).toBe("dig +nosearch +time=1 +tries=2 -x 10.96.12.34");
    expect(await argvOf({ name: "db", server: "10.244.0.53", tcp: true })).toMatch(
      /^dig @10\.244\.0\.53 \+search .*\+tcp/,
    );
  });

  it("is rejected by NXDOMAIN and SERVFAIL, with the code measured", async () => {
    const missing = await ask({ name: "nosuch" }, toolOutput("dig-nxdomain"));
    expect(missing.cell?.observation).toMatchObject({
      outcome: "rejected",
      reason: "DNS answered NXDOMAIN for nosuch",
      measured: { rcode: "NXDOMAIN", addresses: [] },
    });
    const failed = await ask({ name: "broken.shop.svc.cluster.local." }, toolOutput("dig-servfail"));
    expect(failed.cell?.observation).toMatchObject({ outcome: "rejected", measured: { rcode: "SERVFAIL" } });
  });

  it("is allowed when the name exists without such a record", async () => {
    const { cell } = await ask({ name: "db", type: "AAAA" }, toolOutput("dig-nodata"));
    expect(cell?.observation).toMatchObject({ outcome: "allowed", reason: "db exists and has no AAAA record" });
  });

  it("is dropped when the server was silent, beside a control of the server itself", async () => {
    const { cell, controls } = await ask({ name: "db" }, toolOutput("dig-timeout"));
    expect(cell?.observation).toMatchObject({ outcome: "dropped", reason: "DNS query for db: no reply in 2 tries" });
    expect(cell?.observation).not.toHaveProperty("measured");
    expect(controls).toMatchObject([
      {
        key: { from: "kube-system/coredns-1", port: 53, protocol: "udp" },
        destination: "kube-system/service/kube-dns",
      },
    ]);
  });

  it("is dropped with proof when the kernel recorded the query's drop", async () => {
    const proof: DropProof = {
      node: "worker1",
      direction: "egress",
      source: "10.244.1.1",
      destination: "10.244.0.53",
      protocol: "udp",
      destinationPort: 53,
    };
    const { cell, context } = await ask({ name: "db" }, { exitCode: null, signal: "SIGKILL", proofs: [proof] });
    expect(context.cluster.execs[0]?.options.untilDropped).toMatchObject({ destinations: ["10.244.0.53"], port: 53 });
    expect(cell?.observation).toMatchObject({
      outcome: "dropped",
      reason: "DNS query for db: datagram dropped by egress policy on worker1",
      proof,
    });
  });

  it("is rejected when the server's port is closed", async () => {
    const { cell } = await ask({ name: "db" }, toolOutput("dig-refused"));
    expect(cell?.observation).toMatchObject({ outcome: "rejected", reason: "DNS query for db: connection refused" });
  });

  it.each([
    ["usage", toolOutput("dig-usage")],
    ["empty output", { exitCode: 0 }],
    ["garbage", { exitCode: 0, stdout: "\u0001\u0002 ANSWER: 42" }],
    ["a missing tool", { exitCode: 127, stderr: "dig: not found" }],
    ["a tool that hangs", { exitCode: null, signal: "SIGKILL", timedOut: true }],
  ])("is an error, never dropped, on %s", async (_, result) => {
    const { cell } = await ask({ name: "db" }, result);
    expect(cell?.observation?.outcome).toBe("error");
  });

  it.each(["-f/etc/passwd", "@10.0.0.1", "+trace", "a b", "a..b", ""])("refuses the name %j", (name) => {
    expect(dns.options.safeParse({ name }).success).toBe(false);
  });
});

describe("dns figures", () => {
  const measure = async (name: string, options: Record<string, unknown>) =>
    (await ask(options, toolOutput(name))).cell?.observation?.measured ?? {};
  const compare = (measured: Record<string, unknown>, expected: Record<string, unknown>, objects = shopObjects()) =>
    dns.compare?.(measured, dns.expect?.parse(expected) ?? {}, shopContext({ objects }));

  it("take service/NAME from the namespace that asks, and other ways to name addresses", async () => {
    const measured = await measure("dig-a", { name: "db" });
    expect(compare(measured, { address: "service/db" })).toBeUndefined();
    expect(compare(measured, { address: "shop/service/db", rcode: "NOERROR", records: 1 })).toBeUndefined();
    expect(compare(measured, { address: ["10.96.12.34"], time: "<= 4 ms" })).toBeUndefined();
    expect(compare(measured, { address: "service/web" })).toBe(
      "expected addresses 10.96.0.80 (service/web), observed 10.96.12.34",
    );
    expect(compare(measured, { address: ["10.96.12.34", "10.96.0.80"] })).toContain("observed 10.96.12.34");
    expect(compare(measured, { address: "service/ghost" })).toContain("service/ghost does not exist in the cluster");
  });

  it("take the ready endpoints of a headless Service", () => {
    const headless = shopService("peers", "None", 80, 80, [
      { ip: "10.244.1.2", pod: "web-2" },
      { ip: "10.244.1.1", pod: "web-1" },
      { ip: "10.244.1.3", pod: "web-3", ready: false },
    ]);
    const measured = { type: "A", rcode: "NOERROR", addresses: ["10.244.1.2", "10.244.1.1"], namespace: "shop" };
    expect(compare(measured, { address: "service/peers" }, [...shopObjects(), ...headless])).toBeUndefined();
    expect(compare(measured, { address: "shop/deployment/web" })).toBeUndefined();
  });

  it("judge SRV, PTR and CNAME targets and reply codes", async () => {
    const srv = await measure("dig-srv", { name: "_pg._tcp.db", type: "SRV" });
    expect(compare(srv, { target: "db.shop.svc.cluster.local.", port: 5432, records: 1 })).toBeUndefined();
    expect(compare(srv, { port: 80 })).toBe("expected SRV port 80, observed 5432");
    const ptr = await measure("dig-ptr", { name: "10.96.12.34" });
    expect(compare(ptr, { target: "db.shop.svc.cluster.local" })).toBeUndefined();
    const cname = await measure("dig-cname", { name: "www" });
    expect(compare(cname, { address: "203.0.113.7" })).toBeUndefined();
    const soa = (data: string) => digAnswer("cluster.local.", "SOA", data);
    const primary = await ask(
      { name: "cluster.local.", type: "SOA" },
      soa("ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5"),
    );
    expect(compare(primary.cell?.observation?.measured ?? {}, { target: "ns.dns.cluster.local" })).toBeUndefined();
    const missing = await measure("dig-nxdomain", { name: "nosuch" });
    expect(compare(missing, { rcode: "NXDOMAIN" })).toBeUndefined();
    expect(compare(missing, { address: "service/db" })).toBe("expected a record, observed NXDOMAIN");
  });
});

it("compares texts as who reads the record takes them", async () => {
  const data = String.raw`"v=spf1 " "include:\"a\" \097ll"`;
  const { cell } = await ask({ name: "spf", type: "TXT" }, digAnswer("spf.shop.", "TXT", data));
  const measured = cell?.observation?.measured ?? {};
  const compare = (text: string | string[]) =>
    dns.compare?.(measured, dns.expect?.parse({ text }) ?? {}, shopContext({ objects: shopObjects() }));
  expect(compare('v=spf1 include:"a" all')).toBeUndefined();
  expect(compare(["v=spf1", "x"])).toBe('expected texts v=spf1, x, observed v=spf1 include:"a" all');
});

/** What dig prints of a reply with one record. */
function digAnswer(name: string, type: string, data: string): { stdout: string; exitCode: number } {
  const stdout = [
    ";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1",
    ";; QUESTION SECTION:",
    `;${name}\t\tIN\t${type}`,
    "",
    ";; ANSWER SECTION:",
    `${name}\t5\tIN\t${type}\t${data}`,
    "",
    ";; Query time: 1 msec",
    ";; SERVER: 10.96.0.10#53(10.96.0.10)",
    "",
  ].join("\n");
  return { stdout, exitCode: 0 };
}

describe("parseDig", () => {
  it("takes the last of several replies", () => {
    const text = `${toolOutput("dig-nxdomain").stdout}\n${toolOutput("dig-a").stdout}`;
    expect(parseDig(text)).toMatchObject({ kind: "reply", rcode: "NOERROR" });
  });

  it("reads the silence of dig 9.16", () => {
    expect(parseDig(";; connection timed out; no servers could be reached\n")).toEqual({
      kind: "no-reply",
      isRefused: false,
      detail: "timed out",
    });
  });

  it("does not take a truncated reply's answers from elsewhere", () => {
    const text = toolOutput("dig-a").stdout;
    const cut = text.slice(0, text.indexOf(";; ANSWER SECTION"));
    expect(parseDig(cut)).toMatchObject({ rcode: "NOERROR", answers: [] });
  });
});
