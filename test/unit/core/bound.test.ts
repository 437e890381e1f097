import { expect, test } from "vitest";
import { describeBounds, meetsBound, parseBound } from "../../../src/core/bound.ts";

test.each([
  [">= 500 Mbit/s", "rate", ">=", 5e8],
  ["<1.5Gbit/s", "rate", "<", 1.5e9],
  ["< 20 ms", "time", "<", 20],
  ["<= 2s", "time", "<=", 2000],
  ["<= 5 %", "share", "<=", 0.05],
  ["= 0", "share", "==", 0],
  [">= 1400 B", "size", ">=", 1400],
  ["> 3", "count", ">", 3],
  [3, "count", "==", 3],
] as const)("%s as a %s", (text, dimension, operator, value) => {
  expect(parseBound(text, dimension)).toEqual({ operator, value, text: String(text) });
});

test.each([
  ["500 Mbit/s", "rate"],
  [">= 500", "rate"],
  [">= 500 mbit/s", "rate"],
  ["< 20 Mbit/s", "time"],
  ["=> 3", "count"],
  ["", "count"],
  [">= -1", "count"],
] as const)("%j is no bound on a %s", (text, dimension) => {
  expect(parseBound(text, dimension)).toBeUndefined();
});

test("a bound is met by figures on its side, the limit itself only where it says so", () => {
  const meets = (text: string, value: number): boolean =>
    meetsBound(value, parseBound(text, "count") as NonNullable<ReturnType<typeof parseBound>>);
  expect([meets(">= 3", 3), meets("> 3", 3), meets("<= 3", 3), meets("< 3", 3), meets("== 3", 3)]).toEqual([
    true,
    false,
    true,
    false,
    true,
  ]);
  expect([meets(">= 3", 2), meets("> 3", 4), meets("<= 3", 4), meets("< 3", 2), meets("== 3", 4)]).toEqual([
    false,
    true,
    false,
    true,
    false,
  ]);
});

test("a hint names the units of the dimension and an example that parses", () => {
  expect(describeBounds("rate")).toContain("Mbit/s");
  for (const dimension of ["rate", "time", "size", "share", "count"] as const) {
    const example = /"(.*)"/.exec(describeBounds(dimension))?.[1] ?? "";
    expect(parseBound(example, dimension), example).toBeDefined();
  }
});
