import { expect, it } from "vitest";
import { qdiscOf, type LinkShape } from "../../../../src/providers/ssh/link-fault.ts";

it.each<[LinkShape, string]>([
  [{ delayMs: 20 }, "netem delay 20000us"],
  [{ delayMs: 0.5, loss: 0.015 }, "netem delay 500us loss 1.5000%"],
  [{ loss: 1, rateBps: 1e6 }, "netem loss 100.0000% rate 1000000bit"],
  [{ rateBps: 1e6 }, "tbf rate 1000000bit burst 1600 latency 50ms"],
  [{ rateBps: 1e9 }, "tbf rate 1000000000bit burst 1250000 latency 50ms"],
])("a link's shape %o is %s", (shape, words) => {
  expect(qdiscOf(shape).join(" ")).toBe(words);
});

it.each<[LinkShape]>([
  [{}],
  [{ loss: 1.5 }],
  [{ delayMs: -1 }],
  [{ rateBps: Number.NaN }],
  [{ delayMs: Number.POSITIVE_INFINITY }],
])("a link's shape cannot be %o", (shape) => {
  expect(() => qdiscOf(shape)).toThrow(expect.objectContaining({ code: "FAULT_SHAPE" }));
});
