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
    const known = attached.flatMap(({ cells }) => cells).filter((each) => "passedBefore" in each);
    expect(known.map((each) => each.observation)).toEqual([undefined]);
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
    expect(recordBaseline(judged([probe("p", [cellWith("inconclusive")])]))[0]).not.toHaveProperty("passed");
  });

  it("keeps a cell whose ends are gone, as never probed: deleting a pod must not take away what it had to show", () => {
    const baseline = recordBaseline(judged([probe("m", [cellWith("pass"), other("shop/c", "fail")])]));
    const rerun = (name: string) => `rerun ${name}`;
    const [attached] = attachBaseline([probe("m", [cellWith("pass")])], baseline, undefined, rerun);
    expect(attached?.cells[1]).toMatchObject({
      key: { from: "shop/c", to: "shop/b", port: 80, protocol: "tcp" },
      passedBefore: false,
      rerun: "rerun m",
    });
    const [grade] = judged(attached === undefined ? [] : [attached]);
    expect(grade?.verdict).toBe("inconclusive");
    expect(grade?.cells[1]?.reason).toContain("is gone");
  });

  it("reads back ends with spaces, and cells without a port", () => {
    const key = { from: "?", to: "what a person wrote" };
    const baseline = recordBaseline(judged([probe("p", [{ ...cellWith("pass"), key }])]));
    expect(baseline).toStrictEqual([{ probe: "p", cell: "? what a person wrote - -", passed: true }]);
    expect(attachBaseline([probe("p", [])], baseline)[0]?.cells).toStrictEqual([
      { key, rerun: "", passedBefore: true },
    ]);
  });

  it.each([{ port: 53, protocol: "udp" }, { port: 53, protocol: "tcp" }, { port: 53 }] as const)(
    "reads back %o",
    (flow) => {
      const key = { from: "shop/a", to: "shop/b", ...flow };
      const baseline = recordBaseline(judged([probe("p", [{ ...cellWith("fail"), key }])]));
      expect(attachBaseline([probe("p", [])], baseline)[0]?.cells[0]?.key).toStrictEqual(key);
    },
  );

  it("gives a probe back only its own cells", () => {
    const baseline = recordBaseline(
      judged([probe("m", [cellWith("pass")]), probe("n", [other("shop/c", "fail"), other("shop/d", "fail")])]),
    );
    const attached = attachBaseline([probe("m", [cellWith("pass")]), probe("n", [other("shop/c", "fail")])], baseline);
    expect(attached.map(({ cells }) => cells.map(({ key }) => key.from))).toEqual([["shop/a"], ["shop/c", "shop/d"]]);
  });

  it("does not miss what was never judged, nor what only changed its pod's name", () => {
    const baseline = recordBaseline(
      judged([probe("m", [other("shop/web-1", "pass"), other("shop/x", "inconclusive")])]),
      stable,
    );
    expect(attachBaseline([probe("m", [other("shop/web-2", "pass")])], baseline, stable)[0]?.cells).toHaveLength(1);
  });

  it("keeps in the grade what was graded untouched, though silence now would take it out", () => {
    const baseline = recordBaseline(judged([probe("m", [cellWith("fail")])]));
    const silent = { ...cellWith("fail"), ungraded: "declares no port" };
    const [attached] = attachBaseline([probe("m", [silent])], baseline);
    expect(attached?.cells).toHaveLength(1);
    expect(attached?.cells[0]).not.toHaveProperty("ungraded");
    expect(attached?.cells[0]?.passedBefore).toBe(false);
  });

  it("leaves a destination's probe of itself out, though a replica's probe of another has the same name", () => {
    const one = () => "shop/deployment/web";
    const between = cell("allowed", saw("allowed"), { key: { from: "w1", to: "w2", port: 80, protocol: "tcp" } });
    const own = { ...between, key: { ...between.key, to: "w1" }, ungraded: "itself" };
    const baseline = recordBaseline(judged([probe("m", [between])]), one);
    const [attached] = attachBaseline([probe("m", [own])], baseline, one);
    expect(attached?.cells.map(({ ungraded, observation }) => [ungraded, observation?.outcome])).toEqual([
      ["itself", "allowed"],
      [undefined, undefined],
    ]);
  });

  it("goes to a probe of itself that is graded, as to any other", () => {
    const own = cell("allowed", saw("allowed"), { key: { from: "w1", to: "w1", port: 80, protocol: "tcp" } });
    const baseline = recordBaseline(judged([probe("m", [own])]));
    expect(attachBaseline([probe("m", [own])], baseline)[0]?.cells).toEqual([{ ...own, passedBefore: true }]);
  });

  it("marks cells of ends that the untouched lab lacked, where it is known what it had", () => {
    const baseline = recordBaseline(judged([probe("m", [cellWith("pass")])]));
    const isNew = (entries: typeof baseline) =>
      attachBaseline([probe("m", [cellWith("pass"), other("shop/debug", "pass")])], entries)[0]?.cells.map(
        (each) => each.isNew,
      );
    expect(isNew(baseline)).toEqual([undefined, true]);
    expect(isNew([])).toEqual([undefined, undefined]);
  });

  it("does not take a further port between ends that the untouched lab had for a new cell", () => {
    const baseline = recordBaseline(judged([probe("m", [cellWith("pass")])]));
    const further = { ...cellWith("pass"), key: { ...cellWith("pass").key, port: 81 } };
    const [attached] = attachBaseline([probe("m", [cellWith("pass"), further])], baseline);
    expect(attached?.cells[1]).toStrictEqual(further);
  });
});

const stable = (end: string) => end.replace(/-[a-z0-9]+$/, "");

function other(from: string, verdict: "pass" | "fail" | "inconclusive") {
  return { ...cellWith(verdict), key: { from, to: "shop/b", port: 80, protocol: "tcp" as const } };
}
