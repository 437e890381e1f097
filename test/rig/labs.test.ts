import { afterAll, expect, test } from "vitest";
import type { Comparison } from "../../src/report/compare-types.ts";
import { Cnilab } from "../e2e/cnilab.ts";
import { differences, gradedEverywhere, wrongGrades } from "./comparison.ts";
import { describeOnRig, rigEnvironment } from "./rig.ts";

const minutes = 60_000;

describeOnRig("every lab, on the embedded engine and on a real cluster", () => {
  const cnilab = new Cnilab({ environment: rigEnvironment, timeoutMs: 10 * minutes });

  afterAll(() => cnilab.remove());

  test.each(["flannel:vxlan", "calico:vxlan", "calico:direct"])(
    "%s: untouched scores 0, solved all points, and no cell differs",
    { timeout: 11 * minutes },
    async (cni) => {
      const listed = JSON.parse((await cnilab.run("list", "-o", "json")).stdout) as { name: string }[];
      const labs = listed.map(({ name }) => `labs/${name}`);
      const run = await cnilab.run(
        "compare",
        ...labs,
        "--provider",
        "netns,kind",
        "--cni",
        cni,
        "--both",
        "-o",
        "json",
      );
      expect(run.stdout, run.stderr).not.toBe("");
      const comparison = JSON.parse(run.stdout) as Comparison;
      // Together: what a cell showed explains a wrong grade.
      expect({ wrong: wrongGrades(comparison), cells: differences(comparison) }).toEqual({ wrong: [], cells: [] });
      expect(run.exitCode, run.stderr).toBe(0);
      expect(gradedEverywhere(comparison).length).toBeGreaterThanOrEqual(3);
    },
  );
});
