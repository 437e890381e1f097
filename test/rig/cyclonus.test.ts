import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { calico } from "../../src/cnis/calico/calico.ts";
import { inNamespace } from "../in-namespace.ts";
import type { PolicyStep } from "../policy-step.ts";
import { oracleDisagreements } from "../step-by-oracle.ts";
import { cyclonusSteps, forPodNetwork } from "./cyclonus-cases.ts";
import { describeOnRig, rigHome } from "./rig.ts";

describeOnRig("Cyclonus' own cases", () => {
  let steps: PolicyStep[] = [];
  let folder = "";
  beforeAll(() => {
    steps = cyclonusSteps(rigHome);
    folder = mkdtempSync(join(tmpdir(), "cnilab-cyclonus-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("have the same tables by the oracle, in every step", () => {
    expect(steps.flatMap((step) => oracleDisagreements(step))).toEqual([]);
    // 112 are its default ones, the others stand behind its flags.
    expect(new Set(steps.map(({ name }) => name.split(" ")[0])).size).toBeGreaterThanOrEqual(230);
    expect(steps.flatMap(({ cells }) => cells).filter(({ isAllowed }) => !isAllowed).length).toBeGreaterThan(10_000);
  });

  it("have the same tables on the embedded data plane, each block proven", { timeout: 300_000 }, async () => {
    const parts = partsOf(
      steps.map((step) => forPodNetwork(step, calico.defaultPodCidr)),
      PARTS,
    );
    const seen = await Promise.all(
      parts.map(async (part, index) => {
        const file = join(folder, `steps-${index}.json`);
        writeFileSync(file, JSON.stringify(part));
        return (await inNamespace("policy-steps.ts", file, "calico", "vxlan")) as Seen;
      }),
    );
    expect(seen.flatMap(({ wrong }) => wrong)).toEqual([]);
    expect(seen.reduce((sum, { cells }) => sum + cells, 0)).toBeGreaterThan(70_000);
    expect(seen.reduce((sum, { blocked }) => sum + blocked, 0)).toBeGreaterThan(5000);
  });
});

/** Clusters beside each other. */
const PARTS = 2;

interface Seen {
  wrong: string[];
  cells: number;
  blocked: number;
}

function partsOf<Each>(all: readonly Each[], count: number): Each[][] {
  const size = Math.ceil(all.length / count);
  return Array.from({ length: count }, (_, index) => all.slice(index * size, (index + 1) * size));
}
