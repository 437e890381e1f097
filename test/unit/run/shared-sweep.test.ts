import { describe, expect, it } from "vitest";
import type { Cluster, SweepCell } from "../../../src/providers/types.ts";
import { SharedSweep } from "../../../src/run/shared-sweep.ts";

const from = { kind: "pod", namespace: "default", name: "one" } as const;
const cellTo = (port: number): Omit<SweepCell, "id"> => ({ from, address: "10.0.0.2", port, protocol: "tcp" });

/** A cluster that answers each cell with its port, and notes the ports of each sweep. */
function sweeping(fail?: Error): { cluster: Cluster; sweeps: number[][] } {
  const sweeps: number[][] = [];
  const cluster = {
    sweep: (cells: readonly SweepCell[]) => {
      sweeps.push(cells.map(({ port }) => port ?? 0));
      if (fail !== undefined) return Promise.reject(fail);
      // In another order than asked.
      const answered = cells.map(({ id, port }) => ({
        id,
        outcome: "answered" as const,
        detail: String(port),
        latencyMs: 1,
      }));
      return Promise.resolve({ cells: answered.toReversed(), durationMs: 1 });
    },
  } as unknown as Cluster;
  return { cluster, sweeps };
}

describe("a shared sweep", () => {
  it("begins when each turn has given its flow or has ended, and gives each its own result", async () => {
    const { cluster, sweeps } = sweeping();
    const sweep = new SharedSweep(cluster, 100);
    const [first, second, third] = [sweep.turn(), sweep.turn(), sweep.turn()];
    const one = first.try(cellTo(1));
    second.end();
    await Promise.resolve();
    expect(sweeps).toEqual([]);
    const three = third.try(cellTo(3));
    expect((await Promise.all([one, three])).map(({ detail }) => detail)).toEqual(["1", "3"]);
    expect(sweeps).toEqual([[1, 3]]);
    // A turn that ends after its flow, or twice, counts once.
    for (const turn of [first, second, third]) turn.end();
    expect(sweeps).toHaveLength(1);
  });

  it("lets a turn that tries again have a sweep of its own", async () => {
    const { cluster, sweeps } = sweeping();
    const turn = new SharedSweep(cluster, 100).turn();
    await turn.try(cellTo(1));
    expect(await turn.try(cellTo(2))).toMatchObject({ id: 0, detail: "2" });
    expect(sweeps).toEqual([[1], [2]]);
  });

  it("is none where all turns end without a flow", () => {
    const { cluster, sweeps } = sweeping();
    const sweep = new SharedSweep(cluster, 100);
    for (const turn of [sweep.turn(), sweep.turn()]) turn.end();
    expect(sweeps).toEqual([]);
  });

  it("fails for all who are in it", async () => {
    const { cluster } = sweeping(new Error("gone"));
    const sweep = new SharedSweep(cluster, 100);
    const [first, second] = [sweep.turn(), sweep.turn()];
    const both = await Promise.allSettled([first.try(cellTo(1)), second.try(cellTo(2))]);
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  });
});
