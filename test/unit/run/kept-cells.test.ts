import { expect, it } from "vitest";
import type { RanCell } from "../../../src/probes/scheduler.ts";
import { CellChoice } from "../../../src/run/kept-cells.ts";

const cell = (from: string, to: string, more: Partial<RanCell> = {}): RanCell => ({
  key: { from, to, port: 80, protocol: "tcp" },
  rerun: "",
  ...more,
});
it("a choice names the sources of each destination and port", () => {
  const choice = new CellChoice([cell("b", "a"), cell("c", "a"), cell("a", "b")]);
  expect([...(choice.sources("a", 80, "tcp") ?? [])]).toEqual(["b", "c"]);
  expect(choice.sources("a", 80, "udp")).toBeUndefined();
  expect(choice.sources("c", 80, "tcp")).toBeUndefined();
});
