import { expect, it } from "vitest";
import { isSince, type DropRecord } from "../../../../src/providers/netns/lab/evidence.ts";

const record = (id: string, atLeastMs: number): DropRecord => ({
  id,
  kept: { atLeastMs, atMostMs: atLeastMs + 3 },
  proof: { node: "worker1", direction: "ingress", source: "10.0.0.1", destination: "10.0.0.2", protocol: "udp" },
});

it("a record proves a drop of this sweep alone: it is new, or it is kept for longer than before", () => {
  const before = new Map([["one", record("one", 10_000)]]);
  expect(isSince(record("two", 5000), before)).toBe(true);
  expect(isSince(record("one", 10_000), before)).toBe(false);
  // The same moment, rounded and read otherwise.
  expect(isSince(record("one", 10_020), before)).toBe(false);
  expect(isSince(record("one", 10_100), before)).toBe(true);
});
