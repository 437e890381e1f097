import { describe, expect, it } from "vitest";
import { parseBound } from "../../../src/core/bound.ts";
import type { DropProof } from "../../../src/grade/types.ts";
import { parsePing } from "../../../src/probes/ping-output.ts";
import { ping } from "../../../src/probes/ping.ts";
import type { ExecResult } from "../../../src/providers/types.ts";
import { shopContext } from "../../fixtures/shop-world.ts";
import { toolOutput } from "../../tool-output.ts";

const web = { kind: "pod", namespace: "shop", name: "web-1" } as const;

const dropProof: DropProof = {
  node: "worker1",
  direction: "ingress",
  source: "10.244.1.1",
  destination: "10.244.2.1",
  protocol: "icmp",
};

async function pingDb(result: Partial<ExecResult>, options: Record<string, unknown> = {}) {
  const context = shopContext({ exec: () => result });
  const parsed = ping.options.parse({ to: "shop/deployment/db", ...options });
  const cells = await ping.run(parsed, web, context);
  return { cell: cells[0], context };
}

describe("ping", () => {
  it("is allowed when a reply came, with loss and round-trip times measured", async () => {
    const { cell, context } = await pingDb(toolOutput("ping-ok"));
    expect(cell?.key).toEqual({ from: "shop/web-1", to: "shop/deployment/db" });
    expect(cell?.destination).toBe("shop/db-1");
    expect(cell?.observation).toMatchObject({
      outcome: "allowed",
      reason: "3 of 3 echo requests answered, average 0.088 ms",
      latencyMs: 0.088,
      measured: {
        sent: 3,
        received: 3,
        loss: 0,
        rttMinMs: 0.048,
        rttAvgMs: 0.088,
        rttMaxMs: 0.167,
        rttP50Ms: 0.05,
        rttP95Ms: 0.167,
        rttP99Ms: 0.167,
      },
    });
    const [identifier, ...options] = ["-e", "ping", "-n", "-c", "3", "-i", "0.01", "-W", "1.1"];
    const given = expect.stringMatching(/^[1-9]\d{0,4}$/) as unknown;
    expect(context.cluster.execs[0]?.argv).toEqual([...options, identifier, given, "10.244.2.1"]);
    expect(cell?.observation?.evidence[0]).toMatchObject({
      kind: "note",
      text: "shop/deployment/db is probed at shop/db-1",
    });
    expect(cell?.observation?.evidence[1]).toMatchObject({
      kind: "tool-output",
      text: expect.stringContaining("3 packets transmitted, 3 received") as string,
      command: expect.stringContaining("ping -n -c 3") as string,
    });
  });

  it("is dropped when nothing came back", async () => {
    const { cell } = await pingDb(toolOutput("ping-silent"));
    expect(cell?.observation).toMatchObject({
      outcome: "dropped",
      reason: "none of 3 echo requests was answered",
      measured: { sent: 3, received: 0, loss: 1 },
    });
  });

  it("is dropped with proof when the kernel's record ended it", async () => {
    const { cell, context } = await pingDb({ exitCode: null, signal: "SIGKILL", proofs: [dropProof] });
    expect(cell?.observation).toMatchObject({
      outcome: "dropped",
      reason: "echo request dropped by ingress policy on worker1",
      proof: dropProof,
    });
    expect(context.cluster.execs[0]?.options.untilDropped).toEqual({
      destinations: ["10.244.2.1"],
      protocol: "icmp",
      match: "any",
    });
  });

  it.each([
    ["ping-prohibited", "Packet filtered (from 10.3.0.2)"],
    ["ping-host-unreachable", "Destination Host Unreachable (from 10.2.0.1)"],
    ["ping-no-route", "connect: Network is unreachable"],
  ])("is rejected by an ICMP error or a missing route: %s", async (name, reason) => {
    const { cell } = await pingDb(toolOutput(name));
    expect(cell?.observation).toMatchObject({ outcome: "rejected", reason });
  });

  it("names the MTU that refused a packet with DF", async () => {
    const { cell, context } = await pingDb(toolOutput("ping-too-long"), { count: 1, size: 1400, dontFragment: true });
    expect(context.cluster.execs[0]?.argv).toEqual(expect.arrayContaining(["-s", "1400", "-M", "do"]) as string[]);
    expect(cell?.observation).toMatchObject({ outcome: "rejected", measured: { mtu: 1400 } });
  });

  it("looks a name up first, and is about the lookup where that fails", async () => {
    const digs = ["dig-a", "dig-nxdomain", "dig-timeout", "dig-nodata"];
    const context = shopContext({
      exec: ([tool]) => toolOutput(tool === "dig" ? (digs.shift() ?? "") : "ping-silent"),
    });
    const run = async () => (await ping.run(ping.options.parse({ to: "db" }), web, context))[0];
    expect(await run()).toMatchObject({ destination: "shop/service/db", observation: { outcome: "dropped" } });
    expect(context.cluster.execs[1]?.argv.at(-1)).toBe("10.96.12.34");
    expect(await run()).toMatchObject({
      destination: "lookup of db",
      observation: { outcome: "rejected", reason: "DNS answered NXDOMAIN for db" },
    });
    expect(await run()).toMatchObject({
      destination: "lookup of db",
      observation: { outcome: "dropped", reason: "DNS query for db: no reply in 2 tries" },
    });
    expect((await run())?.observation).toMatchObject({ outcome: "rejected", reason: "db has no A record" });
    expect(context.cluster.execs.map(({ argv }) => argv[0])).toEqual(["dig", "ping", "dig", "dig", "dig"]);
  });

  it("tells that a cluster IP answers no ping", async () => {
    const context = shopContext({ exec: () => toolOutput("ping-silent") });
    const [cell] = await ping.run(ping.options.parse({ to: "shop/service/db" }), web, context);
    expect(cell?.observation?.evidence.map(({ text }) => text).join("\n")).toContain("a cluster IP is no host");
  });

  it.each([
    ["no output", { exitCode: 1, stdout: "", stderr: "" }],
    ["garbage", { exitCode: 1, stdout: "\u0000\u001b[2J 17 packets of biscuits" }],
    ["output cut before its summary", { exitCode: 0, stdout: "PING 10.2.0.2 (10.2.0.2) 56(84) bytes of data.\n64 by" }],
    ["output in another language", { exitCode: 1, stdout: "3 Pakete übertragen, 0 empfangen, 100% Paketverlust" }],
    ["usage", toolOutput("ping-usage")],
    ["a timeout of the tool itself", { exitCode: null, signal: "SIGKILL", timedOut: true }],
    ["a kill without a recorded drop", { exitCode: null, signal: "SIGKILL" }],
    ["a missing tool", { exitCode: 127, stderr: "ping: command not found" }],
    ["a tool missing in the sandbox", { exitCode: 1, stderr: "bwrap: execvp ping: No such file or directory" }],
  ])("is an error, never dropped, on %s", async (_, result) => {
    const { cell } = await pingDb(result);
    expect(cell?.observation?.outcome).toBe("error");
    expect(cell?.observation?.reason).toMatch(/^PROBE_(OUTPUT_UNREADABLE|TOOL_HUNG|TOOL_KILLED|TOOL_MISSING): /);
  });

  it.each([["shop/nobody", "SOURCE_MISSING: pod shop/nobody does not exist"]])(
    "is an error when the source %s does not exist",
    async (name, reason) => {
      const context = shopContext();
      const from = { kind: "pod", namespace: "shop", name: name.slice(5) } as const;
      const [cell] = await ping.run(ping.options.parse({ to: "shop/web-2" }), from, context);
      expect(cell?.observation).toMatchObject({ outcome: "error", reason });
    },
  );

  it("is an error when the destination does not exist", async () => {
    const [cell] = await ping.run(ping.options.parse({ to: "shop/ghost" }), web, shopContext());
    expect(cell?.observation).toMatchObject({
      outcome: "error",
      reason: "TARGET_MISSING: pod shop/ghost does not exist",
    });
  });

  it("compares loss, round-trip time and MTU with their bounds", () => {
    const compare = (measured: Record<string, unknown>, expected: Record<string, unknown>) =>
      ping.compare?.(measured, ping.expect?.parse(expected) ?? {}, shopContext());
    expect(compare({ loss: 0, rttAvgMs: 3 }, { loss: "<= 5 %", rtt: "< 20 ms" })).toBeUndefined();
    expect(compare({ loss: 1 / 3 }, { loss: "<= 5 %" })).toBe("expected loss <= 5 %, observed 33.33 %");
    expect(compare({ loss: 1 }, { rtt: "< 20 ms" })).toBe("expected round-trip time < 20 ms, observed none");
    const times = { rttAvgMs: 3, rttP50Ms: 2, rttP95Ms: 9, rttP99Ms: 30 };
    expect(compare(times, { p50: "< 3 ms", p95: "< 10 ms", p99: "< 40 ms" })).toBeUndefined();
    expect(compare(times, { p95: "< 5 ms" })).toBe("expected round-trip time of 95 % < 5 ms, observed 9 ms");
    expect(compare({ loss: 1 }, { p99: "< 40 ms" })).toBe("expected round-trip time of 99 % < 40 ms, observed none");
    expect(compare({ mtu: 1400 }, { mtu: 1450 })).toBe("expected MTU 1450, observed 1400");
    expect(parseBound("< 20 ms", "time")).toBeDefined();
  });
});

it("gives percentiles by nearest rank, of the replies that came", async () => {
  const times = Array.from({ length: 100 }, (_, index) => (index + 1) / 10);
  const lines = times.map((ms, index) => `64 bytes from 10.2.0.2: icmp_seq=${index} ttl=64 time=${ms.toFixed(1)} ms`);
  const stdout = [
    ...lines,
    "64 bytes from 10.2.0.2: icmp_seq=5 ttl=64 time=99.0 ms (DUP!)",
    "120 packets transmitted, 100 received, +1 duplicates, 16% packet loss, time 30ms",
    "rtt min/avg/max/mdev = 0.1/5.05/10/0.05 ms",
  ].join("\n");
  const { cell } = await pingDb({ exitCode: 0, stdout });
  expect(cell?.observation?.measured).toMatchObject({ rttP50Ms: 5, rttP95Ms: 9.5, rttP99Ms: 9.9 });
});

describe("parsePing", () => {
  it("reads busybox's words too", () => {
    const text = [
      "PING 10.2.0.2 (10.2.0.2): 56 data bytes",
      "64 bytes from 10.2.0.2: seq=0 ttl=64 time=0.048 ms",
      "--- 10.2.0.2 ping statistics ---",
      "2 packets transmitted, 1 packets received, 50% packet loss",
      "round-trip min/avg/max = 0.048/0.060/0.075 ms",
    ].join("\n");
    expect(parsePing(text)).toEqual({
      sent: 2,
      received: 1,
      rtt: { minMs: 0.048, avgMs: 0.06, maxMs: 0.075 },
      timesMs: [0.048],
      errors: [],
    });
  });
});
