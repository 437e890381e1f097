import { describe, expect, it } from "vitest";
import { attachBaseline, recordBaseline } from "../../../src/grade/baseline.ts";
import { cell, cellWith, judged, probe, saw } from "./cells.ts";

function before(from: "pass" | "fail" | "inconclusive") {
  const baseline = recordBaseline(judged([probe("p", [cellWith(from)])]));
  return attachBaseline([probe("p", [cellWith("pass")])], baseline)[0]?.cells[0];
}

describe("the baseline", () => {
  it("says of each cell whether the untouched lab passed it", () => {
    expect(before("pass")?.passedBefore).toBe(true);
    expect(before("fail")?.passedBefore).toBe(false);
  });

  it("says nothing of a cell that was inconclusive, so that it can earn nothing", () => {
    expect(before("inconclusive")).not.toHaveProperty("passedBefore");
  });

  it("says nothing of cells of another probe, end, port or protocol", () => {
    const baseline = recordBaseline(judged([probe("p", [cellWith("pass")])]));
    const key = cellWith("pass").key;
    const others = [
      { ...key, from: "shop/x" },
      { ...key, to: "shop/x" },
      { ...key, port: 81 },
      { ...key, protocol: "udp" as const },
    ].map((other) => cell("allowed", saw("allowed"), { key: other }));
    const attached = attachBaseline([probe("p", others), probe("q", [cellWith("pass")])], baseline);
    expect(attached.flatMap(({ cells }) => cells).filter((each) => "passedBefore" in each)).toEqual([]);
  });

  it("outlives pods that get other names in a roll-out", () => {
    const stable = (end: string) => end.replace(/-[a-z0-9]+$/, "");
    const named = (from: string) =>
      cell("allowed", saw("dropped"), { key: { from, to: "b", port: 80, protocol: "tcp" } });
    const baseline = recordBaseline(judged([probe("p", [named("web-1")])]), stable);
    expect(attachBaseline([probe("p", [named("web-2")])], baseline, stable)[0]?.cells[0]?.passedBefore).toBe(false);
    expect(attachBaseline([probe("p", [named("web-2")])], baseline)[0]?.cells[0]).not.toHaveProperty("passedBefore");
  });

  it("leaves cells open that fall together under one name and differ", () => {
    const one = () => "x";
    const both = (a: "pass" | "fail" | "inconclusive", b: "pass" | "fail" | "inconclusive") =>
      recordBaseline(judged([probe("p", [cellWith(a), cellWith(b)])]), one).map(({ passed }) => passed);
    expect(both("pass", "pass")).toEqual([true]);
    expect(both("fail", "fail")).toEqual([false]);
    expect(both("pass", "fail")).toEqual([undefined]);
    expect(both("inconclusive", "fail")).toEqual([undefined]);
    expect(both("fail", "inconclusive")).toEqual([undefined]);
  });
});
