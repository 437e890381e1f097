import { expect, it } from "vitest";
import type { RanCell } from "../../../src/probes/scheduler.ts";
import { KeptCells } from "../../../src/run/kept-cells.ts";

const cell = (from: string, to: string): RanCell => ({ key: { from, to, port: 80, protocol: "tcp" }, rerun: "" });

it("cells are kept by their ends and port, but for those that are probed again", () => {
  const [one, again] = [cell("b", "a"), cell("c", "a")];
  const kept = new KeptCells([one, again], new Set([again]));
  expect(kept.get("b", "a", 80, "tcp")).toBe(one);
  expect(kept.get("b", "a", 80, "udp")).toBeUndefined();
  expect(kept.get("c", "a", 80, "tcp")).toBeUndefined();
});
