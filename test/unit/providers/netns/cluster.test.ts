import { describe, expect, test } from "vitest";
import type { LabConnection } from "../../../../src/providers/netns/client.ts";
import { NetnsCluster } from "../../../../src/providers/netns/cluster.ts";
import type { SweepCell, SweepResult } from "../../../../src/providers/types.ts";

describe("a cluster behind a connection", () => {
  test("is asked for so many cells at a time that each call stays below the longest line, and has all results in their order", async () => {
    const lines: number[] = [];
    const call = (_method: string, params: { cells: SweepCell[] }): Promise<SweepResult> => {
      lines.push(JSON.stringify(params).length);
      const cells = params.cells.map(({ id }) => ({ id, outcome: "answered" as const, detail: "", latencyMs: 1 }));
      return Promise.resolve({ cells, durationMs: 2, retransmits: 1 });
    };
    const cluster = new NetnsCluster({ call } as unknown as LabConnection);
    // Names as long as Kubernetes lets them be.
    const from = { kind: "pod", namespace: "n".repeat(63), name: "p".repeat(253) } as const;
    const count = 250_000;
    const asked = Array.from({ length: count }, (_, id) => ({
      id,
      from,
      address: "fd00:1234:5678:9abc:def0:1234:5678:9abc",
      port: 65_535,
      protocol: "tcp" as const,
    }));
    const { cells, durationMs, retransmits } = await cluster.sweep(asked, { deadlineMs: 1000 });
    expect(lines.length).toBe(3);
    expect(Math.max(...lines)).toBeLessThan(64 << 20);
    expect(cells.length).toBe(count);
    expect(cells.every(({ id }, index) => id === index)).toBe(true);
    expect({ durationMs, retransmits }).toEqual({ durationMs: 6, retransmits: 3 });
  });
});
