import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatQuantity, milliOf } from "../../../src/kube/quantity.ts";

describe("quantities", () => {
  test.each([
    ["100m", 100],
    ["1", 1000],
    [2, 2000],
    ["0.1", 100],
    [".5", 500],
    ["1.", 1000],
    ["50000001n", 51],
    ["1u", 1],
    ["1k", 1e6],
    ["1Ki", 1_024_000],
    ["64Mi", 64 * 1024 * 1024 * 1000],
    ["1e3", 1e6],
    ["12E-1", 1200],
    ["-1", -1000],
    ["1E", 1e21],
  ])("%s is %d thousandths, rounded up", (text, milli) => {
    expect(milliOf(text)).toBe(milli);
  });

  test.each(["", "1mi", "m", "1 m", "0x10", "1e", "--1", undefined, null, {}])("%s is none", (text) => {
    expect(milliOf(text)).toBeUndefined();
  });

  test.each([
    [50, -3, "50m"],
    [1500, -3, "1500m"],
    [2000, -3, "2"],
    [3_000_000, -3, "3k"],
    [0, -9, "0"],
    [123_456_789, -9, "123456789n"],
    [250_000_000, -9, "250m"],
    [-2000, -3, "-2"],
  ])("%d × 10^%d is written %s", (value, exponent, text) => {
    expect(formatQuantity(value, exponent)).toBe(text);
  });

  test("what is written is read again", () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e9, max: 1e9 }), (milli) => milliOf(formatQuantity(milli, -3)) === milli),
    );
  });
});
