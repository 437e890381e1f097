import { expect, it } from "vitest";
import { isSince, type Kept } from "../../../../src/providers/netns/lab/evidence.ts";

const kept = (atLeastMs: number): Kept => ({ atLeastMs, atMostMs: atLeastMs + 3 });

it("a record proves a drop of this sweep alone: it is new, or it is kept for longer than before", () => {
  const before = kept(10_000);
  expect(isSince(kept(5000), undefined)).toBe(true);
  expect(isSince(kept(10_000), before)).toBe(false);
  // The same moment, rounded and read otherwise.
  expect(isSince(kept(10_020), before)).toBe(false);
  expect(isSince(kept(10_100), before)).toBe(true);
});
