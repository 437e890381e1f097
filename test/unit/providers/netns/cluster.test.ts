import { describe, expect, test } from "vitest";
import type { DropProof } from "../../../../src/grade/types.ts";
import type { LabConnection } from "../../../../src/providers/netns/client.ts";
import { NetnsCluster } from "../../../../src/providers/netns/cluster.ts";
import { packResults, type PackedCells, type PackedSweepResult } from "../../../../src/providers/netns/packed-sweep.ts";
import type { SweepCellResult } from "../../../../src/providers/types.ts";

describe("a cluster behind a connection", () => {
  test("is asked for so many cells at a time that each call stays below the longest line, and has all results in their order", async () => {
    const lines: number[] = [];
    // As long as Kubernetes lets them be.
    const namespace = "n".repeat(63);
    const name = "p".repeat(253);
    const address = "fd00:1234:5678:9abc:def0:1234:5678:9abc";
    const call = (_method: string, params: PackedCells): Promise<PackedSweepResult> => {
      const proof: DropProof = {
        node: name,
        direction: "ingress",
        source: address,
        sourcePort: 65_535,
        destination: address,
        destinationPort: 65_535,
        protocol: "tcp",
      };
      const count = params.cells.length / 2;
      const seen = (id: number): SweepCellResult => ({ id, outcome: "no-answer", detail: "", latencyMs: 1, proof });
      const parts = [packResults(Array.from({ length: count }, (_, id) => seen(id)))];
      const answer = { parts, durationMs: 2, retransmits: 1 };
      const sample = Array.from({ length: 100 }, () => seen(count));
      lines.push(JSON.stringify(params).length, (JSON.stringify(packResults(sample)).length * count) / 100);
      return Promise.resolve(answer);
    };
    const cluster = new NetnsCluster({ call } as unknown as LabConnection);
    const count = 110_000;
    const asked = Array.from({ length: count }, (_, id) => ({
      id,
      from: { kind: "pod" as const, namespace, name: String(id).padStart(253, "p") },
      address,
      port: 65_535,
      protocol: "tcp" as const,
    }));
    const { cells, durationMs, retransmits } = await cluster.sweep(asked, { deadlineMs: 1000 });
    expect(lines.length).toBe(4);
    expect(Math.max(...lines)).toBeLessThan(64 << 20);
    expect(cells.length).toBe(count);
    expect(cells.every(({ id }, index) => id === index)).toBe(true);
    expect({ durationMs, retransmits }).toEqual({ durationMs: 4, retransmits: 2 });
  });
});
