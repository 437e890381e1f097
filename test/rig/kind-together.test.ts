import { afterAll, beforeAll, expect, test } from "vitest";
import type { ReportDocument } from "../../src/report/json.ts";
import { Cnilab } from "../e2e/cnilab.ts";
import { inDocker, labsIn, processesWith } from "./leftovers.ts";
import { describeOnRig, rigEnvironment } from "./rig.ts";
import { writeSmallLab } from "./small-lab.ts";

const minutes = 60_000;

describeOnRig("labs side by side", () => {
  let cnilab: Cnilab;
  let before: ReturnType<typeof inDocker>;

  beforeAll(() => {
    cnilab = new Cnilab({ environment: rigEnvironment, timeoutMs: 6 * minutes });
    before = inDocker();
  });

  afterAll(() => cnilab.remove());

  async function expectGraded(labs: readonly { name: string }[]): Promise<void> {
    const grades = await Promise.all(labs.map(({ name }) => cnilab.run("grade", name, "-o", "json")));
    const cells = grades.map(({ exitCode, stdout, stderr }) => {
      expect(exitCode, stderr).toBe(0);
      const report = JSON.parse(stdout) as ReportDocument;
      return report.probes.flatMap((probe) =>
        probe.cells
          .map(({ key, observation }) => `${key.from.replace(/-[^/]*$/, "")} ${observation?.outcome}`)
          .toSorted(),
      );
    });
    expect(cells).toEqual(labs.map(() => ["shop/guest allowed", "shop/web dropped"]));
  }

  async function expectDown(labs: readonly { name: string }[]): Promise<void> {
    const downs = await Promise.all(labs.map(({ name }) => cnilab.run("down", name)));
    expect(downs.map(({ exitCode, stderr }) => (exitCode === 0 ? "down" : stderr))).toEqual(labs.map(() => "down"));
  }

  test("two on kind and two embedded ones, all made at once, are graded right and then gone", async () => {
    const labs = [
      { name: "rig-together-a", provider: "kind" },
      { name: "rig-together-b", provider: "kind" },
      { name: "rig-together-c", provider: "netns" },
      { name: "rig-together-d", provider: "netns" },
    ];
    const ups = await Promise.all(
      labs.map(({ name, provider }) => cnilab.run("up", writeSmallLab(cnilab.stateHome, name), "--provider", provider)),
    );
    expect(ups.map(({ exitCode, stderr }) => (exitCode === 0 ? "up" : stderr))).toEqual(labs.map(() => "up"));
    // Now all four are there, so that each is graded beside the others.
    await expectGraded(labs);
    // What one leaves behind is cleared away with it, and none of another's.
    const [first, ...others] = labs;
    await expectDown(labs.filter((lab) => lab === first));
    await expectGraded(others);
    await expectDown(others);
    expect(inDocker()).toEqual(before);
    expect(labsIn(cnilab.stateHome)).toEqual([]);
    expect(processesWith(cnilab.stateHome)).toEqual([]);
  });
});
