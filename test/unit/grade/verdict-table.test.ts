import { describe, expect, it } from "vitest";
import type { DropProof, Expectation, Observation, PositiveControl, Verdict } from "../../../src/grade/types.ts";
import { judgeCell } from "../../../src/grade/verdict.ts";
import { cell, saw } from "./cells.ts";

const control: PositiveControl = { by: "another-source", from: "shop/c", at: "2026-01-01T00:00:00.000Z" };
const proof: DropProof = {
  node: "worker1",
  direction: "ingress",
  source: "10.0.0.1",
  destination: "10.0.0.2",
  protocol: "tcp",
};
const met = { n: 1 };
const unmet = { n: 2 };

/** What is known beside an outcome: nothing, the rule that is shown, a control, or both. */
const circumstances: [string, { proof?: DropProof; control?: PositiveControl }][] = [
  ["bare", {}],
  ["proof", { proof }],
  ["control", { control }],
  ["both", { proof, control }],
];
/** What is seen; the last two measure something that meets, or does not meet, the figures. */
const seen: [string, (more: Partial<Observation>) => Observation | undefined][] = [
  ["allowed", (more) => saw("allowed", more)],
  ["dropped", (more) => saw("dropped", more)],
  ["rejected", (more) => saw("rejected", more)],
  ["error", (more) => saw("error", more)],
  ["missing", () => undefined],
  ["allowed, measured", (more) => saw("allowed", { ...more, measured: met })],
  ["rejected, measured", (more) => saw("rejected", { ...more, measured: met })],
  ["dropped, measured", (more) => saw("dropped", { ...more, measured: met })],
  ["error, measured", (more) => saw("error", { ...more, measured: met })],
];

const verdictOf = new Map<string, Verdict>([
  ["+", "pass"],
  ["-", "fail"],
  ["?", "inconclusive"],
]);

/**
 * The contract of docs/grading.md, written out by hand: for each thing expected, in the order of `seen`, the verdicts
 * bare, with a proof, with a control, with both. `+` pass, `-` fail, `?` inconclusive.
 */
const contract: [string, Expectation | undefined, string][] = [
  ["allowed", "allowed", "++++ ---- ---- ???? ???? ++++ ---- ---- ????"],
  ["blocked", "blocked", "---- ??++ ???+ ???? ???? ---- ???+ ??++ ????"],
  ["rejected", "rejected", "---- ---- ++++ ???? ???? ---- ++++ ---- ????"],
  ["policy, never worked out", "policy", "???? ???? ???? ???? ???? ???? ???? ???? ????"],
  ["nothing", undefined, "???? ???? ???? ???? ???? ???? ???? ???? ????"],
  ["figures that are met", met, "???? ---- ---- ???? ???? ++++ ++++ ++++ ????"],
  ["figures that are not met", unmet, "???? ---- ---- ???? ???? ---- ---- ---- ????"],
];
/** The same where the CNI enforces nothing: no pass, and a fail only of what must be open. */
const withoutEnforcement: typeof contract = [
  ["allowed", "allowed", "???? ---- ---- ???? ???? ???? ---- ---- ????"],
  ["blocked", "blocked", "???? ???? ???? ???? ???? ???? ???? ???? ????"],
  ["rejected", "rejected", "???? ???? ???? ???? ???? ???? ???? ???? ????"],
  ["policy, never worked out", "policy", "???? ???? ???? ???? ???? ???? ???? ???? ????"],
  ["nothing", undefined, "???? ???? ???? ???? ???? ???? ???? ???? ????"],
  ["figures that are met", met, "???? ???? ???? ???? ???? ???? ???? ???? ????"],
  ["figures that are not met", unmet, "???? ???? ???? ???? ???? ???? ???? ???? ????"],
];

function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  if (item === undefined) throw new Error(`the table has more columns than there are: ${index}`);
  return item;
}

function unknownSign(sign: string): never {
  throw new Error(`no verdict is written ${sign}`);
}

const rows = (
  [
    ["a CNI that enforces", undefined, contract],
    ["a CNI that enforces nothing", "flannel does not enforce NetworkPolicy", withoutEnforcement],
  ] as const
).flatMap(([cni, notEnforceable, table]) =>
  table.flatMap(([name, expected, written]) =>
    written.split(" ").flatMap((group, column) =>
      [...group].map((sign, place) => ({
        cni,
        notEnforceable,
        name,
        expected,
        outcome: at(seen, column),
        circumstance: at(circumstances, place),
        verdict: verdictOf.get(sign) ?? unknownSign(sign),
      })),
    ),
  ),
);

describe("every expectation against every observation", () => {
  it("is in the table", () => {
    expect(rows).toHaveLength(2 * contract.length * seen.length * circumstances.length);
  });

  it.each(rows.map((row) => [row.cni, row.name, row.outcome[0], row.circumstance[0], row.verdict, row] as const))(
    "under %s: %s, seen %s, %s: %s",
    (_cni, _name, _outcome, _circumstance, verdict, { expected, outcome, circumstance, notEnforceable }) => {
      const [, { proof: rule, control: answered }] = circumstance;
      const observation = outcome[1](rule === undefined ? {} : { proof: rule });
      const judged = judgeCell(cell(expected, observation, answered === undefined ? {} : { control: answered }), {
        kind: "curl",
        notEnforceable,
        compareFigures: (_kind, measured, wanted) => (measured["n"] === wanted["n"] ? undefined : "n differs"),
      });
      expect(judged.verdict).toBe(verdict);
      expect(judged.reason).not.toBe("");
    },
  );
});
