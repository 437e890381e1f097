import { expect, test } from "vitest";
import { didYouMean, nearestName } from "../../../src/core/suggest.ts";

const kinds = ["ping", "curl", "dns", "tcp", "udp", "iperf", "matrix"];

test.each([
  ["tpc", "tcp"],
  ["TCP", "tcp"],
  ["pin", "ping"],
  ["martix", "matrix"],
  ["iprf", "iperf"],
])("%s is taken for %s", (written, meant) => {
  expect(nearestName(written, kinds)).toBe(meant);
});

test("the beginning of a name is taken for the name", () => {
  expect(nearestName("allow", ["allowed", "blocked"])).toBe("allowed");
});

test("two letters swapped are one slip", () => {
  expect(nearestName("titel", ["title", "level"])).toBe("title");
});

test.each(["foo", "traceroute", "", "x", "a".repeat(1000)])("%j is taken for nothing", (written) => {
  expect(nearestName(written, kinds)).toBeUndefined();
});

test("a hint names the guess and a short list", () => {
  expect(didYouMean("tpc", ["tcp", "udp"])).toBe("did you mean tcp? known: tcp, udp");
  expect(didYouMean("foo", ["tcp", "udp"])).toBe("known: tcp, udp");
  expect(didYouMean("foo", [])).toBeUndefined();
});

test("a long list is given only where there is no guess, and cut", () => {
  const many = Array.from({ length: 60 }, (_, index) => `name-${index}-${"x".repeat(index)}`);
  expect(didYouMean("name-0", many)).toBe("did you mean name-0-?");
  expect(didYouMean("quite-different", many)?.endsWith("…")).toBe(true);
});
