import fc from "fast-check";
import { expect, it } from "vitest";
import { packCells, packResults, unpackResult } from "../../../../src/providers/netns/packed-sweep.ts";
import type { Source, SweepCell, SweepCellResult } from "../../../../src/providers/types.ts";

const sources: Source[] = [
  { kind: "external" },
  { kind: "node", name: "worker1" },
  { kind: "pod", namespace: "shop", name: "web" },
  { kind: "pod", namespace: "shop", name: "web", container: "log" },
  { kind: "pod", namespace: "shop", name: "db" },
];

const cell: fc.Arbitrary<Omit<SweepCell, "id">> = fc.record({
  from: fc.constantFrom(...sources),
  address: fc.constantFrom("10.0.0.1", "10.0.0.2", "fd00::1"),
  port: fc.constantFrom(80, 443),
  protocol: fc.constantFrom("tcp" as const, "udp" as const),
});

it("cells cross as numbers and are the same on the other side", () => {
  fc.assert(
    fc.property(fc.array(cell), (list) => {
      const cells = list.map((each, index) => ({ id: 7 * index, ...each }));
      const { sources: from, destinations, cells: numbers } = packCells(cells);
      const unpacked = cells.map(({ id }, place) => ({
        id,
        from: from[numbers[2 * place] ?? -1],
        ...destinations[numbers[2 * place + 1] ?? -1],
      }));
      expect(unpacked).toEqual(cells);
    }),
  );
});

it("results come back under the ids that were asked for, in the order in which they were seen", () => {
  const asked = [{ id: 40 }, { id: 41 }, { id: 42 }];
  const proof = { node: "worker1", direction: "ingress", source: "10.0.0.1", destination: "10.0.0.2" } as const;
  const seen: SweepCellResult[] = [
    {
      id: 2,
      outcome: "no-answer",
      detail: "dropped by a rule",
      latencyMs: 2.25,
      proof: { ...proof, protocol: "tcp", sourcePort: 40_000, destinationPort: 80 },
    },
    { id: 0, outcome: "answered", detail: "connected", latencyMs: 0.125 },
  ];
  const other: SweepCellResult[] = [
    { id: 1, outcome: "no-answer", detail: "dropped by a rule", latencyMs: 0, proof: { ...proof, protocol: "icmp" } },
  ];
  const parts = [packResults(seen), packResults(other)];
  const result = unpackResult({ parts, durationMs: 5, retransmits: 1 }, asked);
  expect(result).toEqual({
    cells: [...seen, ...other].map((each) => ({ ...each, id: 40 + each.id })),
    durationMs: 5,
    retransmits: 1,
  });
});

it("a result for a cell that nobody asked for is an error", () => {
  const parts = [packResults([{ id: 1, outcome: "answered", detail: "connected", latencyMs: 1 }])];
  expect(() => unpackResult({ parts, durationMs: 0, retransmits: 0 }, [{ id: 0 }])).toThrow("nobody asked for");
});
