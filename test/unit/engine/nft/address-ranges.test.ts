import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  canonicalAddress,
  formatRange,
  rangeOf,
  subtractRanges,
  unionRanges,
} from "../../../../src/engine/nft/address-ranges.ts";

const range = fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 60 })).map(([a, b]) => ({
  first: BigInt(Math.min(a, b)),
  last: BigInt(Math.max(a, b)),
}));
const has = (ranges: readonly { first: bigint; last: bigint }[], value: bigint): boolean =>
  ranges.some(({ first, last }) => first <= value && value <= last);
const points = Array.from({ length: 62 }, (_, value) => BigInt(value));

describe("address ranges", () => {
  it.each([
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["10.1.2.3/8", "10.0.0.0/8"],
    ["192.168.0.7", "192.168.0.7"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["255.255.255.255/32", "255.255.255.255"],
  ])("%s is written %s", (cidr, text) => {
    expect(formatRange("ip", rangeOf(cidr))).toBe(text);
  });

  it.each([
    ["fd00::/8", "fd00::/8"],
    ["FD00:0:0::1", "fd00::1"],
    ["::/0", "::/0"],
  ])("%s is written %s", (cidr, text) => {
    expect(formatRange("ip6", rangeOf(cidr))).toBe(text);
  });

  it("that are no network are written as first and last", () => {
    const [low, high] = subtractRanges(rangeOf("10.0.0.0/8"), [rangeOf("10.1.0.0/16")]);
    expect([low, high].map((each) => each && formatRange("ip", each))).toEqual([
      "10.0.0.0/16",
      "10.2.0.0-10.255.255.255",
    ]);
  });

  it.each(["1.2.3", "1.2.3.4; drop", "::g", "", "1.2.3.4/33"])("refuse %j", (text) => {
    expect(() => canonicalAddress(text)).toThrow(expect.objectContaining({ code: "BAD_ADDRESS" }));
  });

  it("united hold the same addresses, apart from each other", () => {
    fc.assert(
      fc.property(fc.array(range, { maxLength: 12 }), (ranges) => {
        const union = unionRanges(ranges);
        for (const point of points) expect(has(union, point)).toBe(has(ranges, point));
        union.slice(1).forEach(({ first }, index) => expect(first).toBeGreaterThan((union[index]?.last ?? 0n) + 1n));
      }),
    );
  });

  it("less others hold what the others do not", () => {
    fc.assert(
      fc.property(range, fc.array(range, { maxLength: 8 }), (from, holes) => {
        const rest = subtractRanges(from, holes);
        for (const point of points) expect(has(rest, point)).toBe(has([from], point) && !has(holes, point));
      }),
    );
  });
});
