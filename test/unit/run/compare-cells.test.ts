import { describe, expect, test } from "vitest";
import { compareCells } from "../../../src/run/compare-cells.ts";
import type { CapturedCell } from "../../../src/run/compare-capture.ts";
import type { Divergence } from "../../../src/run/compare-divergences.ts";
import { calico, captured, flannel, real, runOf, side } from "./captured-run.ts";

const gap = { notEnforceable: "flannel does not enforce NetworkPolicy" };
const allowed = side("allowed", "pass");
const dropped = side("dropped", "fail");

function compare(one: CapturedCell[], other: CapturedCell[], divergences: Divergence[] = []) {
  return compareCells([runOf(calico, one), runOf(flannel, other)], ["A", "B"], divergences);
}

describe("two runs of one lab", () => {
  test("are equal where outcome, verdict and facts are, whatever reasons, proofs and times say", () => {
    const one = captured(side("dropped", "pass", { reason: "on worker1", latencyMs: 1, tries: 1 }));
    const other = captured(side("dropped", "pass", { reason: "no answer", latencyMs: 900, tries: 2, proof: "rule" }));
    const { counts, differences } = compare([one], [other]);
    expect(counts).toMatchObject({ cells: 1, equal: 1, different: 0 });
    expect(differences).toEqual([]);
  });

  test.each([
    ["another outcome", allowed, dropped],
    ["another verdict for the same outcome", side("dropped", "pass"), side("dropped", "inconclusive")],
    [
      "another fact",
      side("allowed", "pass", { facts: { status: 200 } }),
      side("allowed", "pass", { facts: { status: 404 } }),
    ],
  ])("differ by %s", (_what, one, other) => {
    const { counts, differences } = compare([captured(one)], [captured(other)]);
    expect(counts).toMatchObject({ equal: 0, different: 1 });
    expect(differences).toMatchObject([{ status: "different", sides: [one, other] }]);
  });

  test("differ by a cell that only one of them has", () => {
    const extra = captured(allowed, { to: "shop/service/cache" });
    const { counts, differences } = compare([captured(allowed), extra], [captured(allowed)]);
    expect(counts).toMatchObject({ cells: 2, equal: 1, different: 1 });
    expect(differences[0]?.sides[1]).toMatchObject({ observed: "absent", verdict: "absent" });
  });

  test("do not differ by figures", () => {
    const withRtt = (value: number) => captured(allowed, { figures: [{ what: "rtt", unit: "ms", value }] });
    const { counts, figures } = compare([withRtt(0.1)], [withRtt(90)]);
    expect(counts).toMatchObject({ equal: 1, different: 0 });
    expect(figures).toMatchObject([{ what: "rtt", values: [0.1, 90] }]);
  });

  test("tell cells that take no part in the grade apart", () => {
    const loopback = (seen: typeof allowed) => captured({ ...seen, verdict: "absent" }, { isUngraded: true });
    const { counts, differences } = compare([loopback(allowed)], [loopback(dropped)]);
    expect(counts).toMatchObject({ cells: 0, different: 0, ungraded: 1 });
    expect(differences).toMatchObject([{ status: "ungraded" }]);
  });

  test("of a lab that was changed in between are noted to be doubtful", () => {
    const { notes } = compareCells(
      [runOf(calico, [], { labDigest: "one" }), runOf(calico, [], { labDigest: "other" })],
      ["A", "B"],
      [],
    );
    expect(notes).toHaveLength(1);
  });
});

describe("a CNI that enforces no policies", () => {
  test("explains what it lets through", () => {
    const { counts, differences, inconclusive } = compare(
      [captured(side("dropped", "pass"))],
      [captured(side("allowed", "inconclusive"), gap)],
    );
    expect(counts).toMatchObject({ explained: 1, different: 0 });
    expect(differences).toMatchObject([{ status: "explained", because: [{ text: gap.notEnforceable }] }]);
    expect(inconclusive).toEqual([]);
  });

  test("explains the same observation that it only cannot judge", () => {
    const { counts } = compare([captured(side("dropped", "pass"))], [captured(side("dropped", "inconclusive"), gap)]);
    expect(counts).toMatchObject({ explained: 1, different: 0 });
  });

  test("does not explain what it stops", () => {
    const { counts } = compare([captured(allowed)], [captured(side("dropped", "fail"), gap)]);
    expect(counts).toMatchObject({ explained: 0, different: 1 });
  });

  test("does not explain a difference between two variants of itself", () => {
    const hostGw = { ...flannel, mode: "host-gw" };
    const { counts } = compareCells(
      [
        runOf(flannel, [captured(side("allowed", "inconclusive"), gap)]),
        runOf(hostGw, [captured(side("dropped", "inconclusive"), gap)]),
        runOf(calico, [captured(side("dropped", "pass"))]),
      ],
      ["A", "B", "C"],
      [],
    );
    expect(counts).toMatchObject({ explained: 0, different: 1 });
  });

  test("does not explain a difference between two others", () => {
    const { counts } = compareCells(
      [
        runOf(flannel, [captured(side("allowed", "inconclusive"), gap)]),
        runOf(calico, [captured(side("dropped", "pass"))]),
        runOf(real, [captured(side("allowed", "fail"))]),
      ],
      ["A", "B", "C"],
      [],
    );
    expect(counts).toMatchObject({ explained: 0, different: 1 });
  });
});

describe("what could not be told", () => {
  test("is listed for each variant, also where all agree", () => {
    const unknown = side("error", "inconclusive", { verdictReason: "no tool" });
    const { counts, inconclusive } = compare([captured(unknown)], [captured(unknown)]);
    expect(counts.equal).toBe(1);
    expect(inconclusive).toMatchObject([
      { variant: "A", reason: "no tool" },
      { variant: "B", reason: "no tool" },
    ]);
  });
});

test("a variant that did not run leaves nothing to compare, and no figures are lost", () => {
  const run = runOf(calico, [captured(allowed, { figures: [{ what: "rtt", unit: "ms", value: 1 }] })]);
  const { counts, figures } = compareCells([run, undefined], ["A", "B"], []);
  expect(counts.cells).toBe(0);
  expect(figures).toMatchObject([{ values: [1, undefined] }]);
});
