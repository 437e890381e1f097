import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evenRange, requestsToJudge } from "../../../src/probes/evenness.ts";

/** P(X = count) of Binomial(requests, 1 / backends), exactly, as a fraction of backends^requests. */
function exactWays(requests: number, count: number, backends: number): bigint {
  let ways = 1n;
  for (let step = 0; step < count; step++) ways = (ways * BigInt(requests - step)) / BigInt(step + 1);
  return ways * BigInt(backends - 1) ** BigInt(requests - count);
}

/** Exact chance that one backend's count is outside the range. */
function chanceOutside(requests: number, backends: number): number {
  const { lowest, highest } = evenRange(requests, backends);
  let outside = 0n;
  for (let count = 0; count <= requests; count++) {
    if (count < lowest || count > highest) outside += exactWays(requests, count, backends);
  }
  const scale = 10n ** 12n;
  return Number((outside * scale) / BigInt(backends) ** BigInt(requests)) / 1e12;
}

const numbers = { requests: fc.integer({ min: 1, max: 300 }), backends: fc.integer({ min: 2, max: 20 }) };

describe("evenRange", () => {
  it("passes an even random choice at least 999 times in 1000, by exact arithmetic", () => {
    fc.assert(
      fc.property(fc.record(numbers), ({ requests, backends }) => {
        // The union bound: some backend is outside with at most the sum of each one's chance.
        expect(chanceOutside(requests, backends) * backends).toBeLessThanOrEqual(0.001 + 1e-9);
      }),
      { numRuns: 300 },
    );
  });

  it("is no wider than that needs: one count less on either side would break it", () => {
    fc.assert(
      fc.property(fc.record(numbers), ({ requests, backends }) => {
        const { lowest, highest } = evenRange(requests, backends);
        const total = BigInt(backends) ** BigInt(requests);
        const tail = (from: number, to: number): number => {
          let ways = 0n;
          for (let count = from; count <= to; count++) ways += exactWays(requests, count, backends);
          return Number((ways * 10n ** 15n) / total) / 1e15;
        };
        const share = 0.001 / (2 * backends);
        expect(tail(0, lowest)).toBeGreaterThan(share * 0.999);
        expect(tail(highest, requests)).toBeGreaterThan(share * 0.999);
      }),
      { numRuns: 200 },
    );
  });

  it("holds the even share itself", () => {
    fc.assert(
      fc.property(fc.record(numbers), ({ requests, backends }) => {
        const { lowest, highest } = evenRange(requests, backends);
        expect(lowest).toBeLessThanOrEqual(Math.ceil(requests / backends));
        expect(highest).toBeGreaterThanOrEqual(Math.floor(requests / backends));
      }),
    );
  });

  it("takes every request of a lone backend", () => {
    expect(evenRange(60, 1)).toEqual({ lowest: 60, highest: 60 });
  });

  it("catches a choice that leaves one of three out, or takes one twice as often", () => {
    const { lowest, highest } = evenRange(300, 3);
    expect(lowest).toBeGreaterThan(0);
    expect(highest).toBeLessThan(150);
  });
});

describe("requestsToJudge", () => {
  it("is the fewest with which a backend without a request is noticed", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 30 }), (backends) => {
        const enough = requestsToJudge(backends);
        expect(evenRange(enough, backends).lowest).toBeGreaterThan(0);
        expect(evenRange(enough - 1, backends).lowest).toBe(0);
      }),
    );
  });
});
