import { expect, test } from "vitest";
import type { Comparison } from "../../src/report/compare-types.ts";
import { Cnilab } from "../e2e/cnilab.ts";
import { differences, gradedEverywhere, wrongGrades } from "./comparison.ts";
import { describeOnRig, onRig, rigEnvironment, weaveManifests, weaveMissing } from "./rig.ts";

const minutes = 60_000;
/**
 * What differs from one CNI and mode to the next: labs about ways between nodes and into the cluster, and of policies, which are set
 * on those ways. All labs on each of them, and on Calico without an overlay, take an hour: `npm run test:compare`.
 */
const OF_WAYS = [
  "default-deny",
  "egress-dns",
  "first-lab",
  "flat-network",
  "load-balancer",
  "load-balancing",
  "nodeport",
];
/**
 * Labs that would each need a cluster made for them alone, a minute and a half each: other add-ons, address families or nodes
 * than the others'. Of load balancers is also `OF_WAYS`.
 */
const OF_OWN_CLUSTERS = [
  "dual-stack",
  "dual-stack-policy",
  "gateway-routes",
  "gateway-split",
  "load-balancer",
  "traffic-distribution",
];
/** Of one CNI: all labs, on a machine half as fast as most, take twenty minutes. */
const LIMIT = 30 * minutes;
const isLong = process.env["CNILAB_LONG_LANES"] !== undefined;

/** Compares the labs, untouched and solved, on both engines with one CNI. */
async function expectAlike(cni: string, environment: NodeJS.ProcessEnv, isIn: (lab: string) => boolean): Promise<void> {
  const cnilab = new Cnilab({ environment, timeoutMs: LIMIT - minutes });
  try {
    const listed = JSON.parse((await cnilab.run("list", "-o", "json")).stdout) as { name: string }[];
    const labs = listed.map(({ name }) => name).filter((name) => isLong || isIn(name));
    const folders = labs.map((name) => `labs/${name}`);
    const options = ["--provider", "netns,kind", "--cni", cni, "--both", "-o", "json"];
    const run = await cnilab.run("compare", ...folders, ...options);
    expect(run.stdout, run.stderr).not.toBe("");
    const comparison = JSON.parse(run.stdout) as Comparison;
    // Together: what a cell showed explains a wrong grade.
    expect({ wrong: wrongGrades(comparison), cells: differences(comparison) }).toEqual({ wrong: [], cells: [] });
    expect(run.exitCode, run.stderr).toBe(0);
    expect(gradedEverywhere(comparison).length).toBeGreaterThanOrEqual(3);
  } finally {
    await cnilab.remove();
  }
}

describeOnRig("labs, on the embedded engine and on a real cluster", () => {
  const ways = [
    { cni: "flannel:vxlan", isIn: (lab: string) => OF_WAYS.includes(lab) },
    { cni: "calico:vxlan", isIn: (lab: string) => !OF_OWN_CLUSTERS.includes(lab) },
    ...(isLong ? [{ cni: "calico:direct", isIn: () => true }] : []),
  ];
  test.each(ways)(
    "$cni: untouched scores 0, solved all points, and no cell differs",
    { timeout: LIMIT },
    async ({ cni, isIn }) => expectAlike(cni, rigEnvironment, isIn),
  );
});

onRig(weaveMissing() ?? (isLong ? undefined : "too long for CI: npm run test:compare"))(
  "labs, on the embedded engine and on a real cluster with Weave",
  () => {
    test.each(["weave:sleeve"])(
      "%s: untouched scores 0, solved all points, and no cell differs",
      { timeout: LIMIT },
      async (cni) => expectAlike(cni, { ...rigEnvironment, CNILAB_FILES: weaveManifests }, () => true),
    );
  },
);
