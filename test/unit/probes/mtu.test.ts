import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EchoReply } from "../../../src/kernel/echo.ts";
import { SMALLEST, searchLargest } from "../../../src/probes/mtu-search.ts";
import { mtu } from "../../../src/probes/mtu.ts";
import { shopContext } from "../../fixtures/shop-world.ts";

const web = { kind: "pod", namespace: "shop", name: "web-1" } as const;

/** A path that takes `largest` bytes; what is longer gets this. */
function pathOf(largest: number, longer: Omit<EchoReply, "size">): (size: number) => EchoReply {
  return (size) => (size <= largest ? { size, outcome: "answered" } : { size, ...longer });
}

async function probe(reply: (size: number) => EchoReply, options: Record<string, unknown> = {}) {
  const context = shopContext({
    echo: (_source, { sizes }) => sizes.map(reply),
    exec: (_argv, source) => ({
      stdout:
        source.kind === "node" && source.name === "worker2" ? "3: cni0    inet 10.244.2.1/24 brd 10.244.2.255\n" : "",
    }),
  });
  const worker = (name: string) => ({ name, role: "worker" as const, labels: {}, taints: [], interfaces: [] });
  const topology = { name: "two", networks: [], nodes: [worker("worker1"), worker("worker2")] };
  const parsed = mtu.options.parse({ to: "shop/deployment/db", ...options });
  const cells = await mtu.run(parsed, web, { ...context, plan: { ...context.plan, topology } });
  return cells[0]?.observation;
}

describe("mtu", () => {
  it("finds the longest packet, and the source's own link that refuses more", async () => {
    expect(await probe(pathOf(1450, { outcome: "too-big" }))).toMatchObject({
      outcome: "allowed",
      reason: "packets of 1450 bytes pass; a longer one: refused by the source's own link",
      measured: { largest: 1450, refusedBy: "source" },
    });
  });

  it("names the node whose interface a refusal came from, and the MTU that it names", async () => {
    expect(await probe(pathOf(1300, { outcome: "too-big", by: "10.244.2.1", mtu: 1300 }))).toMatchObject({
      reason:
        "packets of 1300 bytes pass; a longer one: refused by node/worker2 (10.244.2.1), which names an MTU of 1300",
      measured: { largest: 1300, refusedBy: "node/worker2", refusedFrom: "10.244.2.1", mtu: 1300 },
    });
    expect((await probe(pathOf(1300, { outcome: "too-big", by: "172.30.0.1", mtu: 1300 })))?.measured).toMatchObject({
      refusedBy: "172.30.0.1",
    });
  });

  it("finds a black hole, where nobody refuses", async () => {
    expect(await probe(pathOf(1333, { outcome: "silent" }))).toMatchObject({
      reason: "packets of 1333 bytes pass; a longer one: no answer from anybody (a black hole)",
      measured: { largest: 1333, refusedBy: "nobody" },
    });
  });

  it("aims at the family that it is told, and says where there is none of it", async () => {
    expect((await probe(pathOf(1450, { outcome: "too-big" }), { family: "ipv4" }))?.outcome).toBe("allowed");
    expect(await probe(pathOf(1450, { outcome: "too-big" }), { family: "ipv6" })).toMatchObject({
      reason: expect.stringContaining("no IPv6 address"),
    });
  });

  it("stops at what it was told to try", async () => {
    expect((await probe(pathOf(65_535, { outcome: "silent" }), { upTo: 1500 }))?.measured).toEqual({
      largest: 1500,
      upTo: 1500,
    });
  });

  it("measures nothing where not even the shortest passes, or something else is refused", async () => {
    const silent = await probe(pathOf(0, { outcome: "silent" }));
    expect(silent).toMatchObject({ outcome: "dropped", reason: "no answer even to a packet of 68 bytes" });
    expect(silent?.measured).toBeUndefined();
    expect(await probe(pathOf(0, { outcome: "unreachable", detail: "ENETUNREACH" }))).toMatchObject({
      outcome: "rejected",
    });
    expect(await probe(pathOf(1400, { outcome: "unreachable", detail: "ICMP type 3 code 1" }))).toMatchObject({
      outcome: "error",
      reason: expect.stringContaining("MTU_UNCLEAR") as string,
    });
  });

  it("compares both figures", () => {
    const measured = { largest: 1300, upTo: 9216, refusedBy: "node/worker2", refusedFrom: "10.244.2.1", mtu: 1300 };
    const compare = (expected: object): string | undefined =>
      mtu.compare?.(measured, mtu.expect?.parse(expected) ?? {}, shopContext());
    expect(compare({ largest: 1300, refusedBy: "node/worker2" })).toBeUndefined();
    expect(compare({ refusedBy: "10.244.2.1" })).toBeUndefined();
    expect(compare({ largest: ">= 1400" })).toBe("expected the longest packet >= 1400, observed 1300 bytes");
    expect(compare({ refusedBy: "nobody" })).toBe(
      "expected a longer packet to be refused by nobody, observed refused by node/worker2 (10.244.2.1), which names an MTU of 1300",
    );
    expect(mtu.expect?.safeParse({ refusedBy: "worker2" }).success).toBe(false);
  });
});

it("the search finds every length, also where packets are lost once", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: SMALLEST, max: 9216 }),
      fc.integer({ min: 2, max: 50 }),
      async (largest, lossy) => {
        const lost = new Set<number>([SMALLEST]);
        let sent = 0;
        const found = await searchLargest(async (sizes) => {
          sent += sizes.length;
          return sizes.map((size) => {
            const isLost = size % lossy === 0 && !lost.has(size);
            lost.add(size);
            return { size, outcome: size <= largest && !isLost ? "answered" : "silent" };
          });
        }, 9216);
        expect(found).toMatchObject({ largest });
        expect(sent).toBeLessThan(200);
      },
    ),
  );
});
