import { describe, expect, it } from "vitest";
import { gradeProbes } from "../../../src/grade/judge.ts";
import type { Cell, GradeReport, PolicyReason } from "../../../src/grade/types.ts";
import type { RanProbe } from "../../../src/probes/scheduler.ts";
import type { Flow } from "../../../src/providers/types.ts";
import { explainFailures } from "../../../src/run/explain-failures.ts";
import type { FlowOracle } from "../../../src/run/flow-oracle.ts";

const solution = "solution/policies.yaml";
const flow: Flow = {
  from: { kind: "pod", namespace: "shop", name: "a" },
  to: [{ kind: "pod", namespace: "shop", name: "b" }],
  address: "10.0.0.2",
  port: 80,
  protocol: "tcp",
};

const reason = (file: string, allowed = false): PolicyReason => ({
  allowed,
  lines: [`ingress of shop/b: isolated by shop/the-secret-name (${file}:3)`],
  spans: [{ file, line: 3, column: 1, length: 1, lineText: "" }],
});
const live: FlowOracle = {
  deciders: () => [],
  answer: () => ({
    expected: "allowed",
    why: { allowed: true, lines: ["not isolated"], spans: [] },
    isLoopback: false,
  }),
};

function explained(more: Partial<Cell>, oracle = live): GradeReport {
  const cell: Cell = {
    key: { from: "shop/a", to: "shop/b", port: 80, protocol: "tcp" },
    expected: "blocked",
    observation: { outcome: "allowed", reason: "connected", tries: 1, evidence: [] },
    rerun: "cnilab probe lab --only p",
    ...more,
  };
  const result = { name: "p", kind: "tcp", expectText: "policy", durationMs: 1, cells: [cell] };
  const probe = { name: "p", kind: "tcp", options: {}, expect: "policy" as const };
  const ran: RanProbe[] = [{ ...result, cells: [{ ...cell, flow }], probe }];
  const grade = gradeProbes({
    probes: [result],
    tasks: [],
    compareFigures: () => {
      throw new Error("no figures were expected");
    },
  });
  return explainFailures(grade, ran, () => oracle, new Set([solution]));
}

const cellOf = ({ probes }: GradeReport) => probes[0]?.cells[0];

describe("the reason of a cell", () => {
  it.each(["fail", "inconclusive"] as const)("quotes nothing of a solution while it is a %s", (verdict) => {
    const unseen = { outcome: "error" as const, reason: "no such pod", tries: 1, evidence: [] };
    const report = explained({
      why: reason(solution),
      ...(verdict === "fail" ? {} : { observation: unseen }),
    });
    expect(cellOf(report)?.verdict).toBe(verdict);
    expect(cellOf(report)?.why).toEqual({ allowed: false, lines: ["the reference solution blocks it"], spans: [] });
    const text = JSON.stringify(report);
    expect(text).not.toContain("the-secret-name");
    expect(text).not.toContain(solution);
  });

  it("says of a solution that it allows, where it does", () => {
    const silent = { outcome: "dropped" as const, reason: "no answer", tries: 1, evidence: [] };
    const report = explained({ expected: "allowed", observation: silent, why: reason(solution, true) });
    expect(cellOf(report)?.why?.lines).toEqual(["the reference solution allows it"]);
  });

  it("quotes nothing of it where the cell passed, as a guard does untouched, or is not graded", () => {
    const passed = explained({ expected: "allowed", why: reason(solution, true) });
    expect(cellOf(passed)?.verdict).toBe("pass");
    const aside = explained({ ungraded: "a pod to itself", why: reason(solution) });
    expect(aside.probes[0]?.ungraded).toHaveLength(1);
    expect(JSON.stringify([passed, aside])).not.toContain("the-secret-name");
  });

  it("is whole where the lab's own manifests say it", () => {
    expect(cellOf(explained({ why: reason("manifests/deny.yaml") }))?.why).toEqual(reason("manifests/deny.yaml"));
  });
});

describe("a failed cell", () => {
  it("is told what the policies in the cluster now say, a passed one is not", () => {
    expect(cellOf(explained({}))?.observation?.evidence).toEqual([
      { kind: "note", text: "policies in the cluster now:\nnot isolated" },
    ]);
    expect(cellOf(explained({ expected: "allowed" }))?.observation?.evidence).toEqual([]);
  });

  it("is not told the same twice", () => {
    const why = reason("manifests/deny.yaml");
    const same: FlowOracle = { deciders: () => [], answer: () => ({ expected: "blocked", why, isLoopback: false }) };
    expect(cellOf(explained({ why }, same))?.observation?.evidence).toEqual([]);
  });
});
