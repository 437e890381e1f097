import { describe, expect, it } from "vitest";
import { udp } from "../../../src/probes/udp.ts";
import type { SweepCellResult } from "../../../src/providers/types.ts";
import { shopContext } from "../../fixtures/shop-world.ts";

const web = { kind: "pod", namespace: "shop", name: "web-1" } as const;

async function send(result: Omit<SweepCellResult, "id">) {
  const context = shopContext({ sweep: () => result });
  const [cell, control] = await udp.run(
    udp.options.parse({ to: "kube-system/service/kube-dns", port: 53 }),
    web,
    context,
  );
  return { cell, control, context };
}

describe("udp", () => {
  it("is allowed when a datagram came back, with no tool run", async () => {
    const { cell, control, context } = await send({ outcome: "answered", detail: "29 bytes", latencyMs: 0.3 });
    expect(cell).toMatchObject({
      key: { port: 53, protocol: "udp" },
      flow: { protocol: "udp", targetPorts: [53] },
      observation: { outcome: "allowed", reason: "answered (29 bytes)" },
    });
    expect(control).toMatchObject({
      key: { from: "kube-system/coredns-1", to: "kube-system/coredns-1", protocol: "udp" },
    });
    expect(context.cluster.execs).toEqual([]);
  });

  it("says that silence without a kernel record is ambiguous", async () => {
    const { cell } = await send({ outcome: "no-answer", detail: "no answer before the deadline", latencyMs: 1100 });
    expect(cell?.observation).toMatchObject({
      outcome: "dropped",
      reason: "no answer within 1100 ms and no ICMP error: dropped, or the server does not answer such a datagram",
    });
  });

  it("is rejected by an ICMP port unreachable", async () => {
    const { cell } = await send({ outcome: "refused", detail: "ECONNREFUSED", latencyMs: 0.2 });
    expect(cell?.observation?.reason).toBe("refused (ICMP port unreachable): nothing listens there");
  });
});
