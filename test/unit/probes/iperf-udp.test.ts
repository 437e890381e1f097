import { describe, expect, it } from "vitest";
import { iperf } from "../../../src/probes/iperf.ts";
import type { ExecResult, Source } from "../../../src/providers/types.ts";
import { shopContext } from "../../fixtures/shop-world.ts";
import { toolOutput } from "../../tool-output.ts";

const web = { kind: "pod", namespace: "shop", name: "web-1" } as const;

/** What a client in the source and, for controls, one in the server's own pod print. */
async function send(
  results: Partial<ExecResult> | Partial<ExecResult>[],
  options: Record<string, unknown> = {},
  itself: Partial<ExecResult> = toolOutput("iperf-udp-ok"),
) {
  const each = [results].flat();
  let hello = 0;
  const isServer = (source: Source): boolean => source.kind === "pod" && source.name === "db-1";
  const context = shopContext({
    exec: (_, source) => (isServer(source) ? itself : (each[Math.min(hello++, each.length - 1)] ?? {})),
  });
  const written = { to: "shop/deployment/db", protocol: "udp", ...options };
  const cells = await iperf.run(iperf.options.parse(written), web, context);
  return { cell: cells[0], seen: cells[0]?.observation, controls: cells.slice(1), context };
}

const changed = (name: string, change: (text: string) => string) => {
  const output = toolOutput(name);
  return { ...output, stdout: change(output.stdout) };
};

describe("iperf over UDP", () => {
  it("sends at a rate for a time, ends iperf3 by the clock, and measures loss and jitter", async () => {
    const { cell, seen, controls, context } = await send(toolOutput("iperf-udp-ok"));
    expect(context.cluster.execs[0]?.argv.join(" ")).toBe(
      "timeout -s INT 5 iperf3 -u -c 10.244.2.1 -p 5201 -J --connect-timeout 1100 -b 10000000 -t 1",
    );
    expect(context.cluster.execs[0]?.options.untilDropped).toMatchObject({ protocol: "udp", port: 5201 });
    expect(cell?.key).toMatchObject({ port: 5201, protocol: "udp" });
    expect(seen).toMatchObject({ outcome: "allowed", measured: { protocol: "udp", sent: 179, lost: 0, loss: 0 } });
    expect(seen?.measured?.["jitterMs"]).toBeGreaterThan(0);
    expect(seen?.reason).toMatch(/^2\.00 Mbit\/s, 0 of 179 datagrams lost \(0 %\), jitter 0\.\d{3} ms$/);
    expect(controls).toEqual([]);
  });

  it("takes rate, size, direction and streams, the rate shared out among these", async () => {
    const options = { bitrate: "20 Mbit/s", size: 200, time: "3s", reverse: true, streams: 4 };
    const { context } = await send(toolOutput("iperf-udp-ok"), options);
    expect(context.cluster.execs[0]?.argv.join(" ")).toMatch(/ -b 5000000 -t 3 -l 200 -R -P 4$/);
  });

  it("counts gaps, and what never came after the last that did, which iperf3 does not", async () => {
    expect((await send(toolOutput("iperf-udp-loss"))).seen?.measured).toMatchObject({ lost: 18, sent: 179 });
    const { seen } = await send(toolOutput("iperf-udp-tail"));
    expect(toolOutput("iperf-udp-tail").stdout).toMatch(/"sum_received"[^}]*"lost_percent":\s*0,/);
    expect(seen?.measured).toMatchObject({ lost: 73, sent: 179, loss: 73 / 179 });
  });

  it("does not count what was on its way when the time ended", async () => {
    // 179 a second: seventeen of them are less than 100 ms.
    const { seen } = await send(
      changed("iperf-udp-tail", (text) => text.replaceAll(/"packets":\t106/g, '"packets":\t162')),
    );
    expect(seen?.measured).toMatchObject({ lost: 0, sent: 179 });
  });

  it("is dropped where the first datagram is answered and none of the others, whatever the receiver counted", async () => {
    const { seen, controls } = await send(toolOutput("iperf-udp-none"));
    expect(seen).toMatchObject({ outcome: "dropped", measured: { loss: 1, lost: 179 } });
    expect(controls[0]).toMatchObject({ key: { from: "shop/db-1", to: "shop/db-1", protocol: "udp" } });
    expect(controls[0]?.observation?.outcome).toBe("allowed");
  });

  it("says hello three times at most, and one that is answered is enough", async () => {
    const silent = toolOutput("iperf-udp-unheard");
    const { seen, controls, context } = await send(silent);
    expect(seen).toMatchObject({ outcome: "dropped", reason: "none of 3 first datagrams was answered" });
    expect(context.cluster.execs).toHaveLength(4);
    expect(controls[0]?.ungraded).toContain("control");
    expect((await send([silent, silent, toolOutput("iperf-udp-ok")])).seen?.outcome).toBe("allowed");
  });

  it("ends at once with the kernel's record of a drop", async () => {
    const proof = {
      node: "worker1",
      direction: "egress" as const,
      source: "10.244.1.1",
      destination: "10.244.2.1",
      protocol: "udp" as const,
      destinationPort: 5201,
    };
    const { seen, context } = await send({ exitCode: null, signal: "SIGTERM", proofs: [proof] });
    expect(seen).toMatchObject({ outcome: "dropped", proof });
    expect(seen?.reason).toBe("datagram dropped by egress policy on worker1");
    expect(context.cluster.execs.filter(({ source }) => source.kind === "pod" && source.name === "web-1")).toHaveLength(
      1,
    );
  });

  it("is rejected by an ICMP error to the stream", async () => {
    const { seen } = await send(toolOutput("iperf-udp-refused"));
    expect(seen).toMatchObject({
      outcome: "rejected",
      reason: "unable to read from stream socket: Connection refused",
    });
  });

  it.each([
    ["without its control connection over TCP", toolOutput("iperf-udp-no-control"), /^IPERF_NO_CONTROL: no datagram/],
    ["refused there", changed("iperf-udp-no-control", (text) => text.replace("timed out", "refused")), /^IPERF_NO_CON/],
    [
      "cut off while it sent",
      changed("iperf-udp-ok", (text) => text.replace(/}\s*$/, ', "error": "interrupt - x"}')),
      /^IPERF_FAILED/,
    ],
    ["without figures", changed("iperf-udp-ok", (text) => text.replaceAll("jitter_ms", "jitter")), /^PROBE_OUTPUT_UNR/],
    ["of something else", { exitCode: 0, stdout: "[]" }, /^PROBE_OUTPUT_UNR/],
  ])("is an error, never dropped, %s", async (_, result, reason) => {
    const { seen, context } = await send(result);
    expect(seen?.outcome).toBe("error");
    expect(seen?.reason).toMatch(reason);
    expect(context.cluster.log.at(-1)).toBe("stop");
  });

  it("shows a control that failed itself as an error", async () => {
    const { controls } = await send(toolOutput("iperf-udp-refused"), {}, { exitCode: 127, stderr: "not found" });
    expect(controls[0]?.observation?.outcome).toBe("error");
  });

  it("tells where the sender fell short of the rate", async () => {
    const notes = (await send(toolOutput("iperf-udp-ok"), { bitrate: "10 Mbit/s" })).seen?.evidence;
    expect(notes?.at(-1)?.text).toMatch(/^the sender itself made 2\.00 Mbit\/s of 10\.0 Mbit\/s/);
    const met = (await send(toolOutput("iperf-udp-ok"), { bitrate: "2 Mbit/s" })).seen?.evidence;
    expect(
      met
        ?.filter(({ kind }) => kind === "note")
        .map(({ text }) => text)
        .join(),
    ).not.toContain("sender");
  });

  it("compares loss and jitter with their bounds", () => {
    const compare = (measured: Record<string, unknown>, expected: Record<string, unknown>) =>
      iperf.compare?.(measured, iperf.expect?.parse(expected) ?? {}, shopContext());
    const measured = { bandwidthBps: 2e6, loss: 18 / 179, jitterMs: 1.25 };
    expect(compare(measured, { loss: "<= 11 %", jitter: "< 2 ms", bandwidth: ">= 1 Mbit/s" })).toBeUndefined();
    expect(compare(measured, { loss: "<= 1 %" })).toBe("expected loss <= 1 %, observed 10.06 %");
    expect(compare(measured, { jitter: "< 500 us" })).toBe("expected jitter < 500 us, observed 1.250 ms");
    expect(compare({ bandwidthBps: 2e6 }, { loss: "<= 1 %" })).toBe("expected loss <= 1 %, observed none");
  });
});
