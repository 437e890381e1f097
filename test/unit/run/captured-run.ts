import type { CapturedCell, CapturedRun } from "../../../src/run/compare-capture.ts";
import type { CellSide, Variant } from "../../../src/report/compare-types.ts";

export const calico: Variant = { provider: "netns", cni: "calico", mode: "vxlan", cniVersion: "3" };
export const flannel: Variant = { provider: "netns", cni: "flannel", mode: "vxlan", cniVersion: "0" };
export const real: Variant = { provider: "kind", cni: "calico", mode: "vxlan", cniVersion: "3" };

export function side(
  observed: CellSide["observed"],
  verdict: CellSide["verdict"],
  more: Partial<CellSide> = {},
): CellSide {
  return { observed, verdict, reason: `saw ${observed}`, verdictReason: "", facts: {}, tries: 1, ...more };
}

export function captured(seen: CellSide, more: Partial<CapturedCell> = {}): CapturedCell {
  return {
    probe: "web reaches db",
    kind: "tcp",
    from: "shop/deployment/web",
    to: "shop/service/db",
    port: 5432,
    protocol: "tcp",
    side: seen,
    figures: [],
    isUngraded: false,
    ...more,
  };
}

/** A run of lab "shop" with these cells. */
export function runOf(variant: Variant, cells: CapturedCell[], more: Partial<CapturedRun> = {}): CapturedRun {
  return {
    lab: { name: "shop", title: "Shop" },
    labDigest: "same",
    state: "untouched",
    variant,
    grade: { verdict: "pass", earned: 0, possible: 0, cells: cells.length },
    phases: [],
    cells,
    ...more,
  };
}
