import { expect, it } from "vitest";
import { createOracle } from "../../src/policy/oracle.ts";
import type { OracleEnd } from "../../src/policy/types.ts";
import { cyclonusSteps, type CyclonusStep } from "./cyclonus-cases.ts";
import { describeOnRig, rigHome } from "./rig.ts";

const end = (name: string): OracleEnd => {
  const [namespace = "", pod = ""] = name.split("/");
  return { kind: "pod", namespace, name: pod };
};

/** Cells that the oracle sees otherwise. */
function disagreements({ name, namespaces, pods, policies, cells }: CyclonusStep): string[] {
  const oracle = createOracle({ namespaces, pods, policies: policies.map((policy) => ({ policy })) });
  return cells.flatMap(({ from, to, protocol, port, isAllowed }) => {
    const { allowed, notGradable } = oracle.verdict({ from: end(from), to: end(to), protocol, port });
    // The API's text: no policy blocks what a pod sends to itself. Cyclonus' tables judge it as any other flow.
    if (from === to) return notGradable?.cause === "loopback" ? [] : [`${name}: ${from} to itself is graded`];
    return allowed === isAllowed
      ? []
      : [`${name}: ${from} → ${to}:${port}/${protocol}: expected ${isAllowed}, is ${allowed}`];
  });
}

describeOnRig("Cyclonus' own cases", () => {
  it("have the same tables by the oracle, in every step", { timeout: 120_000 }, () => {
    const steps = cyclonusSteps(rigHome);
    expect(steps.flatMap((step) => disagreements(step))).toEqual([]);
    // 112 are its default ones, the others stand behind its flags.
    expect(new Set(steps.map(({ name }) => name.split(" ")[0])).size).toBeGreaterThanOrEqual(230);
    expect(steps.flatMap(({ cells }) => cells).filter(({ isAllowed }) => !isAllowed).length).toBeGreaterThan(10_000);
  });
});
