import { describe, expect, it } from "vitest";
import { matrix } from "../../../src/probes/matrix.ts";
import type { SweepCell } from "../../../src/providers/types.ts";
import { shopContext, shopObjects, shopPod } from "../../fixtures/shop-world.ts";

const nameOf = ({ from }: SweepCell): string => (from.kind === "pod" ? from.name : from.kind);

const parse = (options: Record<string, unknown>) => matrix.options.parse({ ports: ["5432/tcp", "53/udp"], ...options });

describe("matrix", () => {
  it("tries every ordered pair but loopback on every port, in one sweep", async () => {
    const context = shopContext({ sweep: () => ({ outcome: "answered", detail: "connected", latencyMs: 1 }) });
    const cells = await matrix.run(parse({ pods: "shop/*" }), undefined, context);
    const graded = cells.filter(({ ungraded }) => ungraded === undefined);
    expect(context.cluster.sweeps).toHaveLength(1);
    expect(graded).toHaveLength(4 * 3 * 2);
    expect(graded.every(({ key }) => key.from !== key.to)).toBe(true);
    expect(new Set(graded.map(({ key }) => JSON.stringify(key))).size).toBe(graded.length);
    expect(graded[0]).toMatchObject({
      key: { from: "shop/db-1", to: "shop/cache", port: 5432, protocol: "tcp" },
      flow: { address: "10.244.2.9", port: 5432, to: [{ kind: "pod", namespace: "shop", name: "cache" }] },
      observation: { outcome: "allowed" },
    });
  });

  it("sends nothing where a port is one of SCTP", async () => {
    const context = shopContext({ sweep: () => ({ outcome: "answered", detail: "connected", latencyMs: 1 }) });
    const running = matrix.run(parse({ pods: "shop/*", ports: ["80/tcp", "3868/SCTP"] }), undefined, context);
    await expect(running).rejects.toMatchObject({ code: "PLAN_NO_SCTP" });
    expect(context.cluster.sweeps).toEqual([]);
  });

  it("adds each destination's probe of itself on each port as a control", async () => {
    const context = shopContext({ sweep: () => ({ outcome: "answered", detail: "connected", latencyMs: 1 }) });
    const cells = await matrix.run(parse({ pods: ["shop/db-*", "shop/cache"] }), undefined, context);
    const controls = cells.filter(({ ungraded }) => ungraded !== undefined);
    expect(controls.map(({ key }) => `${key.from} ${key.to} ${key.port}/${key.protocol}`)).toEqual([
      "shop/cache shop/cache 5432/tcp",
      "shop/cache shop/cache 53/udp",
      "shop/db-1 shop/db-1 5432/tcp",
      "shop/db-1 shop/db-1 53/udp",
    ]);
    expect(controls.every(({ observation }) => observation?.outcome === "allowed")).toBe(true);
  });

  it("keeps each answer with its own cell", async () => {
    const context = shopContext({
      sweep: (cell) =>
        nameOf(cell) === "cache" && cell.protocol === "tcp"
          ? { outcome: "no-answer", detail: "dropped by a rule", latencyMs: 2 }
          : { outcome: "answered", detail: "connected", latencyMs: 1 },
    });
    const cells = await matrix.run(parse({ from: "shop/*", to: "shop/db-*" }), undefined, context);
    const dropped = cells.filter(({ observation }) => observation?.outcome === "dropped").map(({ key }) => key);
    expect(dropped).toEqual([{ from: "shop/cache", to: "shop/db-1", port: 5432, protocol: "tcp" }]);
  });

  it("takes nodes and the outside as sources when asked", async () => {
    const context = shopContext({ sweep: () => ({ outcome: "answered", detail: "connected", latencyMs: 1 }) });
    const cells = await matrix.run(
      parse({ pods: "shop/db-*", ports: [5432], external: true, nodes: true }),
      undefined,
      context,
    );
    expect(cells.filter(({ ungraded }) => ungraded === undefined).map(({ key }) => key.from)).toEqual([
      "node/worker1",
      "external",
    ]);
  });

  it("leaves a cell that the sweep did not report without an observation", async () => {
    const context = shopContext({ sweep: () => undefined });
    const cells = await matrix.run(parse({ pods: "shop/web-*" }), undefined, context);
    expect(cells.every((cell) => !("observation" in cell))).toBe(true);
  });

  it("makes errors, not drops, of pods that are not ready or have no address", async () => {
    const objects = [
      ...shopObjects(),
      shopPod({ name: "late", ip: "10.244.1.77", isReady: false }),
      shopPod({ name: "pending" }),
    ];
    const context = shopContext({ objects, sweep: () => ({ outcome: "no-answer", detail: "", latencyMs: 1100 }) });
    const cells = await matrix.run(
      parse({ from: "shop/cache", to: ["shop/late", "shop/pending"], ports: [80] }),
      undefined,
      context,
    );
    expect(cells.map(({ key, observation }) => [key.to, observation?.outcome, observation?.reason])).toEqual([
      ["shop/late", "error", "TARGET_NOT_READY: pod shop/late is not ready"],
      ["shop/pending", "error", "TARGET_NOT_READY: pod shop/pending has no address yet"],
    ]);
    expect(context.cluster.sweeps).toEqual([]);
  });

  it("refuses a pattern that matches no pod, even beside one that does", async () => {
    const run = matrix.run(parse({ pods: ["shop/*", "shpo/*"] }), undefined, shopContext());
    await expect(run).rejects.toMatchObject({ code: "MATRIX_MATCHES_NOTHING" });
  });

  it("refuses more cells than can be kept, before any of them is sent", async () => {
    const context = shopContext();
    const ports = Array.from({ length: 60_000 }, (_, index) => index + 1);
    await expect(matrix.run(parse({ pods: "shop/*", ports }), undefined, context)).rejects.toMatchObject({
      code: "MATRIX_TOO_LARGE",
      message: expect.stringMatching(/^the matrix has \d+ cells; the most is 500000$/) as string,
    });
    expect(context.cluster.sweeps).toEqual([]);
  });

  it("probes one cell when asked for one, with its control", async () => {
    const context = shopContext(
      { sweep: () => ({ outcome: "answered", detail: "connected", latencyMs: 1 }) },
      { cell: { from: "shop/cache", to: "shop/db-1" } },
    );
    const cells = await matrix.run(parse({ pods: "shop/*", ports: [5432] }), undefined, context);
    expect(cells.map(({ key }) => [key.from, key.to])).toEqual([
      ["shop/cache", "shop/db-1"],
      ["shop/db-1", "shop/db-1"],
    ]);
  });

  it("needs pods, or both sides", () => {
    expect(matrix.options.safeParse({ ports: [80], from: "shop/*" }).error?.issues[0]?.message).toBe(
      "a matrix needs pods, or both from and to",
    );
  });

  it("over IPv6 tries those addresses, and only answers over IPv6 are controls", async () => {
    const withBoth = (pod: ReturnType<typeof shopPod>, ips: string[]) => ({
      ...pod,
      status: { ...(pod["status"] as object), podIPs: ips.map((ip) => ({ ip })) },
    });
    const objects = [
      withBoth(shopPod({ name: "a", ip: "10.244.1.1" }), ["10.244.1.1", "fd00:1::1"]),
      withBoth(shopPod({ name: "b", ip: "10.244.1.2" }), ["10.244.1.2", "fd00:1::2"]),
      shopPod({ name: "c", ip: "10.244.1.3" }),
    ];
    const context = shopContext({ objects, sweep: () => ({ outcome: "answered", detail: "connected", latencyMs: 1 }) });
    const cells = await matrix.run(
      matrix.options.parse({ from: "shop/a", to: "shop/*", ports: [80], family: "ipv6" }),
      undefined,
      context,
    );
    expect(cells.map(({ key, destination }) => [key.from, key.to, destination])).toEqual([
      ["shop/a", "shop/b", "shop/b over IPv6"],
      ["shop/a", "shop/c", undefined],
      ["shop/b", "shop/b", "shop/b over IPv6"],
    ]);
    expect(cells[0]?.flow?.address).toBe("fd00:1::2");
    expect(cells[1]?.observation).toMatchObject({ outcome: "rejected", reason: "shop/c has no IPv6 address" });
  });
});
