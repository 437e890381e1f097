import { describe, expect, it } from "vitest";
import { iperf } from "../../../src/probes/iperf.ts";
import type { ExecResult } from "../../../src/providers/types.ts";
import { shopContext } from "../../fixtures/shop-world.ts";
import { toolOutput } from "../../tool-output.ts";

const web = { kind: "pod", namespace: "shop", name: "web-1" } as const;

async function measure(result: Partial<ExecResult>, options: Record<string, unknown> = {}) {
  const context = shopContext({
    exec: () => result,
    sweep: () => ({ outcome: "answered", detail: "connected", latencyMs: 1 }),
  });
  const cells = await iperf.run(iperf.options.parse({ to: "shop/deployment/db", ...options }), web, context);
  return { cell: cells[0], controls: cells.slice(1), context };
}

describe("iperf", () => {
  it("starts a server in the destination, measures, and stops it", async () => {
    const { cell, controls, context } = await measure(toolOutput("iperf-ok"));
    expect(context.cluster.log).toEqual(["serve iperf3 -s -p 5201 until 5201", "stop"]);
    expect(context.cluster.execs[0]?.argv.join(" ")).toBe(
      "timeout -s INT 2 iperf3 -c 10.244.2.1 -p 5201 -J --connect-timeout 1100 -n 100M",
    );
    expect(cell).toMatchObject({
      key: { from: "shop/web-1", to: "shop/deployment/db", port: 5201, protocol: "tcp" },
      observation: { outcome: "allowed", measured: { side: "receiver", bytes: expect.any(Number) as number } },
    });
    expect(cell?.observation?.reason).toMatch(/^[\d.]+ Gbit\/s, \d+ retransmits$/);
    expect(controls).toEqual([]);
  });

  it("takes the sender's figures where the time limit cut the transfer off", async () => {
    const { cell } = await measure(toolOutput("iperf-cut"));
    expect(cell?.observation).toMatchObject({ outcome: "allowed", measured: { side: "sender" } });
    expect(Number(cell?.observation?.measured?.["bandwidthBps"])).toBeGreaterThan(1e8);
  });

  it("measures by time when asked", async () => {
    const { context } = await measure(toolOutput("iperf-ok"), { time: "5s", reverse: true, streams: 2 });
    expect(context.cluster.execs[0]?.argv.join(" ")).toMatch(/^iperf3 -c .* -t 5 -R -P 2$/);
  });

  it.each([
    ["iperf-refused", "rejected", "unable to connect to server: Connection refused"],
    ["iperf-timeout", "dropped", "unable to connect to server: Connection timed out"],
  ])("%s is %s, beside a control of the server in its own namespace", async (name, outcome, reason) => {
    const { cell, controls, context } = await measure(toolOutput(name));
    expect(cell?.observation).toMatchObject({ outcome, reason });
    expect(controls).toMatchObject([
      { key: { from: "shop/db-1", to: "shop/db-1", port: 5201 }, observation: { outcome: "allowed" } },
    ]);
    expect(context.cluster.log.at(-1)).toBe("stop");
  });

  it.each([
    ["usage", toolOutput("iperf-usage")],
    ["empty output", { exitCode: 0 }],
    ["cut JSON", { exitCode: 0, stdout: toolOutput("iperf-ok").stdout.slice(0, 300) }],
    ["JSON of something else", { exitCode: 0, stdout: '{"end": {"sum_received": {"bits_per_second": "fast"}}}' }],
    ["no object", { exitCode: 0, stdout: "null" }],
    ["a busy server", { exitCode: 1, stdout: '{"error": "the server is busy running a test. try again later"}' }],
    ["a missing tool", { exitCode: 127, stderr: "iperf3: not found" }],
  ])("is an error, never dropped, on %s, and still stops its server", async (_, result) => {
    const { cell, context } = await measure(result);
    expect(cell?.observation?.outcome).toBe("error");
    expect(context.cluster.log.at(-1)).toBe("stop");
  });

  it("is an error where no server can be started", async () => {
    const context = shopContext();
    const [cell] = await iperf.run(iperf.options.parse({ to: "shop/service/db" }), web, context);
    expect(cell?.observation?.reason).toBe("IPERF_NO_SERVER: iperf3 cannot be started in shop/service/db");
    expect(context.cluster.log).toEqual([]);
  });

  it("compares bandwidth and retransmits with their bounds", () => {
    const compare = (measured: Record<string, unknown>, expected: Record<string, unknown>) =>
      iperf.compare?.(measured, iperf.expect?.parse(expected) ?? {}, shopContext());
    const measured = { bandwidthBps: 431_000_000, retransmits: 12 };
    expect(compare(measured, { bandwidth: ">= 400 Mbit/s", retransmits: "<= 12" })).toBeUndefined();
    expect(compare(measured, { bandwidth: ">= 500 Mbit/s" })).toBe(
      "expected bandwidth >= 500 Mbit/s, observed 431 Mbit/s",
    );
    expect(compare(measured, { retransmits: "<= 10" })).toBe("expected retransmits <= 10, observed 12");
    expect(compare({}, { retransmits: "<= 10" })).toBe("expected retransmits <= 10, observed none");
  });
});
