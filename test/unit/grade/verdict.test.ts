import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DropProof, Outcome, PositiveControl } from "../../../src/grade/types.ts";
import { combineVerdicts, judgeCell, type ReasonedVerdict } from "../../../src/grade/verdict.ts";
import { cell, noFigures, saw } from "./cells.ts";

const control: PositiveControl = { by: "another-source", from: "shop/c", at: "2026-01-01T00:00:00.000Z" };
const proof: DropProof = {
  node: "worker1",
  direction: "ingress",
  source: "10.0.0.1",
  destination: "10.0.0.2",
  protocol: "tcp",
};

function judge(...args: Parameters<typeof cell>): ReasonedVerdict {
  return judgeCell(cell(...args), { kind: "tcp", compareFigures: noFigures });
}

describe("a cell expected to be allowed", () => {
  it.each([
    ["allowed", "pass"],
    ["dropped", "fail"],
    ["rejected", "fail"],
    ["error", "inconclusive"],
  ] as [Outcome, string][])("and seen %s is %s", (outcome, verdict) => {
    expect(judge("allowed", saw(outcome)).verdict).toBe(verdict);
    expect(judge("allowed", saw(outcome), { control }).verdict).toBe(verdict);
  });

  it("says what was expected, observed, and how often it was tried", () => {
    expect(judge("allowed", saw("dropped", { tries: 3 })).reason).toBe(
      "expected allowed, observed dropped, 3 tries: dropped it was",
    );
    expect(judge("allowed", saw("rejected")).reason).toBe("expected allowed, observed rejected: rejected it was");
  });
});

describe("a cell expected to be rejected", () => {
  it.each([
    ["allowed", "fail"],
    ["dropped", "fail"],
    ["rejected", "pass"],
    ["error", "inconclusive"],
  ] as [Outcome, string][])("and seen %s is %s", (outcome, verdict) => {
    expect(judge("rejected", saw(outcome)).verdict).toBe(verdict);
  });
});

describe("a cell expected to be blocked", () => {
  it("fails when it was allowed, even with a control and a proof", () => {
    expect(judge("blocked", saw("allowed", { proof }), { control }).verdict).toBe("fail");
  });

  it("passes when dropped beside a positive control, and names the control", () => {
    const { verdict, reason } = judge("blocked", saw("dropped"), { control });
    expect(verdict).toBe("pass");
    expect(reason).toBe("dropped as expected; the destination answered shop/c (2026-01-01T00:00:00.000Z)");
  });

  it("names the rule's node and direction when the kernel showed the drop", () => {
    expect(judge("blocked", saw("dropped", { proof }), { control: { ...control, by: "itself" } }).reason).toBe(
      "dropped by ingress policy on worker1 as expected; the destination answered itself (2026-01-01T00:00:00.000Z)",
    );
    expect(judge("blocked", saw("dropped", { proof }), { control: { ...control, by: "before" } }).reason).toContain(
      "the destination answered this source before",
    );
  });

  it("is inconclusive without a positive control, proof or not: a dead server is never a correct block", () => {
    for (const observation of [saw("dropped"), saw("dropped", { proof }), saw("rejected", { proof })]) {
      const { verdict, reason } = judge("blocked", observation);
      expect(verdict).toBe("inconclusive");
      expect(reason).toContain("the destination has answered nobody");
    }
  });

  it("is inconclusive when refused without a rule that is shown: refused is not blocked", () => {
    for (const more of [{}, { control }]) {
      const { verdict, reason } = judge("blocked", saw("rejected"), more);
      expect(verdict).toBe("inconclusive");
      expect(reason).toContain("refused is not blocked");
    }
  });

  it("passes when a rule that is shown rejected it, beside a control", () => {
    expect(judge("blocked", saw("rejected", { proof }), { control }).verdict).toBe("pass");
  });

  it("is inconclusive when the probe itself failed, whatever else is known", () => {
    const { verdict, reason } = judge("blocked", saw("error", { proof }), { control });
    expect(verdict).toBe("inconclusive");
    expect(reason).toBe("the probe itself failed: error it was");
  });
});

describe("a cell that cannot be judged", () => {
  it("is inconclusive without an observation", () => {
    expect(judge("allowed", undefined)).toEqual({ verdict: "inconclusive", reason: "never probed" });
    expect(judge("blocked", undefined, { control }).verdict).toBe("inconclusive");
  });

  it("says that the probe failed before it says that nothing is expected", () => {
    expect(judge(undefined, saw("error")).reason).toBe("the probe itself failed: error it was");
  });

  it("does not pass on what another server than the lab's own gave, and still fails", () => {
    const standIn = "shop/decoy is behind it";
    expect(judge("allowed", saw("allowed"), { standIn })).toEqual({
      verdict: "inconclusive",
      reason: "not the lab's server: shop/decoy is behind it",
    });
    expect(judge("blocked", saw("dropped"), { standIn, control }).verdict).toBe("inconclusive");
    expect(judge("allowed", saw("dropped"), { standIn }).verdict).toBe("fail");
  });

  it("is inconclusive without an expectation, and says why the reference has none", () => {
    expect(judge(undefined, saw("allowed")).reason).toContain("the reference cannot say what to expect");
    const why = { allowed: true, lines: [], spans: [], notGradable: "ICMP is up to the CNI" };
    const { verdict, reason } = judge(undefined, saw("allowed"), { why });
    expect(verdict).toBe("inconclusive");
    expect(reason).toContain("ICMP is up to the CNI");
  });

  it("is inconclusive when `policy` was never resolved", () => {
    expect(judge("policy", saw("allowed")).verdict).toBe("inconclusive");
  });

  it("never passes where the CNI does not enforce, and fails only for what must be open", () => {
    const context = {
      kind: "tcp",
      compareFigures: noFigures,
      notEnforceable: "flannel does not enforce NetworkPolicy",
    };
    expect(judgeCell(cell("blocked", saw("allowed")), context)).toEqual({
      verdict: "inconclusive",
      reason: "not enforceable: flannel does not enforce NetworkPolicy",
    });
    expect(judgeCell(cell("blocked", saw("dropped"), { control }), context).verdict).toBe("inconclusive");
    expect(judgeCell(cell("allowed", saw("allowed")), context).verdict).toBe("inconclusive");
    expect(judgeCell(cell("allowed", saw("dropped")), context).verdict).toBe("fail");
    expect(judgeCell(cell("allowed", saw("error")), context).verdict).toBe("inconclusive");
  });
});

describe("figures", () => {
  const compare = (kind: string, measured: Record<string, unknown>, expected: Record<string, unknown>) =>
    kind === "iperf" && measured["bps"] === expected["bps"] ? undefined : "bps differs";
  const judgeFigures = (observation: ReturnType<typeof saw>) =>
    judgeCell(cell({ bps: 5 }, observation), { kind: "iperf", compareFigures: compare });

  it("pass or fail by the probe kind's comparison", () => {
    expect(judgeFigures(saw("allowed", { measured: { bps: 5 } })).verdict).toBe("pass");
    expect(judgeFigures(saw("allowed", { measured: { bps: 4 } }))).toEqual({ verdict: "fail", reason: "bps differs" });
    // A name that does not exist is "rejected", and may be just what the figures want.
    expect(judgeFigures(saw("rejected", { measured: { bps: 5 } })).verdict).toBe("pass");
  });

  it("fail when there was no answer to measure, and are inconclusive when an answer was not measured", () => {
    expect(judgeFigures(saw("dropped")).verdict).toBe("fail");
    expect(judgeFigures(saw("rejected")).verdict).toBe("fail");
    expect(judgeFigures(saw("allowed")).verdict).toBe("inconclusive");
  });

  it("are inconclusive when the probe itself failed, even if something was measured", () => {
    expect(judgeFigures(saw("error", { measured: { bps: 5 } })).verdict).toBe("inconclusive");
  });
});

describe("verdicts together", () => {
  it("are fail before inconclusive before pass, and nothing at all is inconclusive", () => {
    expect(combineVerdicts([])).toBe("inconclusive");
    expect(combineVerdicts(["pass", "pass"])).toBe("pass");
    expect(combineVerdicts(["pass", "inconclusive"])).toBe("inconclusive");
    expect(combineVerdicts(["inconclusive", "fail", "pass"])).toBe("fail");
  });

  it("do not depend on the order", () => {
    const verdicts = fc.array(fc.constantFrom("pass", "fail", "inconclusive"));
    fc.assert(
      fc.property(verdicts, (list) => {
        expect(combineVerdicts(list)).toBe(combineVerdicts(list.toReversed()));
      }),
    );
  });
});

it("no observation of an error or of nothing is ever a pass", () => {
  const expected = fc.constantFrom(
    "allowed" as const,
    "blocked" as const,
    "rejected" as const,
    "policy" as const,
    undefined,
  );
  fc.assert(
    fc.property(expected, fc.boolean(), fc.boolean(), fc.boolean(), (wanted, hasControl, hasProof, isMissing) => {
      const observation = isMissing ? undefined : saw("error", hasProof ? { proof } : {});
      expect(judge(wanted, observation, hasControl ? { control } : {}).verdict).toBe("inconclusive");
    }),
  );
});

describe("a cell during a fault", () => {
  const during = { when: "during", fault: "cut" } as const;
  const at = "2026-01-01T00:00:00.000Z";
  const own: PositiveControl = { by: "before", from: "shop/a", at };
  const seen = (outcome: Outcome) => ({ outcome, reason: `${outcome} it was`, tries: 1, at });
  const judgeDuring = (expected: "allowed" | "blocked" | "rejected", outcome: Outcome, before?: Outcome) =>
    judgeCell(
      cell(expected, saw(outcome), {
        ...(before === undefined ? {} : { withoutFault: seen(before) }),
        ...(before === "allowed" ? { control: own } : {}),
      }),
      { kind: "tcp", compareFigures: noFigures, phase: during },
    );

  it.each([
    ["blocked", "dropped", "allowed", "pass"],
    ["blocked", "rejected", "allowed", "pass"],
    ["blocked", "allowed", "allowed", "fail"],
    ["blocked", "error", "allowed", "inconclusive"],
    ["blocked", "dropped", "dropped", "inconclusive"],
    ["blocked", "rejected", "rejected", "inconclusive"],
    ["rejected", "rejected", "allowed", "pass"],
    ["rejected", "rejected", "rejected", "inconclusive"],
    ["rejected", "rejected", undefined, "inconclusive"],
    ["allowed", "allowed", undefined, "pass"],
    ["allowed", "dropped", undefined, "fail"],
  ] as const)("expected %s and seen %s, %s without the fault, is %s", (expected, outcome, before, verdict) => {
    expect(judgeDuring(expected, outcome, before).verdict).toBe(verdict);
  });

  it.each([
    ["dropped", "dropped without the fault cut, too, so it shows nothing of it: dropped it was"],
    [undefined, "this cell was not seen without the fault cut"],
  ] as const)(
    "says why its silence shows nothing, %s without the fault, whoever else was answered",
    (before, reason) => {
      const more = before === undefined ? {} : { withoutFault: seen(before) };
      for (const expected of ["blocked", "rejected"] as const) {
        const silent = cell(expected, saw("rejected", { proof }), { ...more, control });
        expect(judgeCell(silent, { kind: "tcp", compareFigures: noFigures, phase: during })).toEqual({
          verdict: "inconclusive",
          reason,
        });
      }
    },
  );
});

describe("a cell after a fault", () => {
  it.each([
    [4999, "pass"],
    [5000, "pass"],
    [5001, "fail"],
  ] as const)("that is as expected after %d ms of 5000 is a %s", (tookMs, verdict) => {
    const recovery = { withinMs: 5000, tookMs, tries: [] };
    const phase = { when: "after", fault: "cut" } as const;
    const judged = judgeCell(cell("allowed", saw("allowed")), {
      kind: "tcp",
      compareFigures: noFigures,
      phase,
      recovery,
    });
    expect(judged.verdict).toBe(verdict);
  });

  it.each([
    ["after", "as expected only 7s after the restore of cut, not within 5s"],
    ["during", "as expected only 7s after the fault cut, not within 5s"],
  ] as const)("that is too late says by how much: %s", (when, reason) => {
    const recovery = { withinMs: 5000, tookMs: 7000, tries: [] };
    const context = { kind: "tcp", compareFigures: noFigures, phase: { when, fault: "cut" }, recovery };
    expect(judgeCell(cell("allowed", saw("allowed")), context)).toEqual({ verdict: "fail", reason });
  });
});
