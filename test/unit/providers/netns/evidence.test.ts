import { expect, it } from "vitest";
import { isSince } from "../../../../src/providers/netns/lab/evidence.ts";

it("a record proves a drop of this sweep alone: its packet was dropped after the sweep began, but for what clocks differ", () => {
  const beganMs = 50_000;
  // Kept for ten seconds from the drop on.
  const readMs = 50_300;
  const droppedMs = (at: number): boolean => isSince(readMs, at + 10_000 - readMs, beganMs);
  expect(droppedMs(50_250)).toBe(true);
  expect(droppedMs(50_000)).toBe(true);
  // The kernel's clock is behind by a tick.
  expect(droppedMs(49_990)).toBe(true);
  expect(droppedMs(49_970)).toBe(false);
  expect(droppedMs(41_000)).toBe(false);
});
