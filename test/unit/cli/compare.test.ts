import { expect, test } from "vitest";
import { exitCodeOfComparison } from "../../../src/cli/verbs/compare.ts";
import type { Comparison, ComparedVariant } from "../../../src/report/compare-types.ts";

function comparison(verdict: Comparison["verdict"], notRun?: ComparedVariant["notRun"]): Comparison {
  const variant: ComparedVariant = {
    label: "A",
    provider: "kind",
    cni: "calico",
    mode: "vxlan",
    cniVersion: "3",
    ...(notRun === undefined ? {} : { notRun }),
  };
  const counts = { cells: 1, equal: 1, different: 0, known: 0, explained: 0, ungraded: 0 };
  const lab = { lab: { name: "a", title: "A" }, state: "untouched", variants: [variant], counts } as const;
  return {
    apiVersion: "cnilab.dev/v1alpha1",
    kind: "Comparison",
    verdict,
    labs: [{ ...lab, variants: [variant], differences: [], inconclusive: [], figures: [], notes: [] }],
    stale: [],
    durationMs: 1,
  };
}

const refused = { code: "PLAN_CNI_NOT_CLAIMED", message: "", isRefusal: true };
const lacking = { code: "HOST_NO_DOCKER", message: "", isRefusal: false };
const failed = { code: "WAIT_TIMEOUT", message: "", isRefusal: false };

test.each([
  ["equal", undefined, 0],
  ["equal, where a variant is refused by the lab", refused, 0],
  ["equal, where the host lacks something for a variant", lacking, 5],
  ["equal, where a variant failed", failed, 4],
  ["different", undefined, 1],
  ["different, where a variant failed, too", failed, 1],
  ["inconclusive", undefined, 3],
  ["inconclusive, because the host lacks something", lacking, 5],
] as const)("%s", (what, notRun, exitCode) => {
  const [verdict] = what.split(",");
  expect(exitCodeOfComparison(comparison(verdict as Comparison["verdict"], notRun))).toBe(exitCode);
});
