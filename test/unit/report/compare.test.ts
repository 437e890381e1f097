import { describe, expect, test } from "vitest";
import { renderComparison } from "../../../src/report/compare.ts";
import type { CellSide, Comparison, DifferingCell, LabComparison } from "../../../src/report/compare-types.ts";

const side = (observed: CellSide["observed"], verdict: CellSide["verdict"], reason: string): CellSide => ({
  observed,
  verdict,
  reason,
  verdictReason: reason,
  facts: observed === "allowed" ? { status: 200 } : {},
  tries: 1,
});

const differing = (status: DifferingCell["status"], probe: string, count: number): DifferingCell[] =>
  Array.from({ length: count }, (_each, index) => ({
    probe,
    kind: "tcp",
    from: `shop/deployment/web#${index + 1}`,
    to: "shop/service/db",
    port: 5432,
    protocol: "tcp",
    status,
    sides: [
      side("allowed", "pass", "HTTP 200"),
      side("dropped", "fail", "no answer within 1.1 s, twice, and nothing that would say why"),
      undefined,
    ],
    because: status === "known" ? [{ text: "it is so", upstream: "https://example.org/1" }] : [],
  }));

const lab: LabComparison = {
  lab: { name: "shop", title: "A \u001b[31mshop" },
  state: "solved",
  variants: [
    {
      label: "A",
      provider: "netns",
      cni: "calico",
      mode: "vxlan",
      cniVersion: "3.30.3",
      grade: { verdict: "pass", earned: 3, possible: 3, cells: 12 },
    },
    {
      label: "B",
      provider: "kind",
      cni: "calico",
      mode: "vxlan",
      cniVersion: "3.30.3",
      savedAt: "2026-01-02T03:04:05.000Z",
      grade: { verdict: "fail", earned: 0, possible: 3, cells: 12 },
    },
    {
      label: "C",
      provider: "netns",
      cni: "flannel",
      mode: "vxlan",
      cniVersion: "0.27.4",
      notRun: {
        code: "PLAN_CNI_NOT_CLAIMED",
        message: "lab shop does not claim flannel",
        hint: "it claims: calico",
        isRefusal: true,
      },
    },
  ],
  counts: { cells: 12, equal: 4, different: 6, known: 1, explained: 1, ungraded: 1 },
  differences: [
    ...differing("different", "the web tier reaches the database", 6),
    ...differing("known", "packets of 1450 bytes", 1),
    ...differing("explained", "nobody else does", 1),
    ...differing("ungraded", "every pair of pods", 1),
  ],
  inconclusive: [
    {
      probe: "by name",
      kind: "dns",
      from: "shop/web",
      to: "db",
      variant: "B",
      reason: "the probe itself failed: no dig",
    },
  ],
  figures: [
    { probe: "", from: "", to: "", what: "provision", unit: "ms", cells: 0, values: [410, 41_000, undefined] },
    { probe: "ping", from: "a", to: "b", what: "rtt", unit: "ms", cells: 1, values: [0.08, 0.2, undefined] },
    { probe: "ping", from: "a", to: "b", what: "loss", unit: "share", cells: 1, values: [0, 0.5, undefined] },
    { probe: "speed", from: "a", to: "b", what: "bandwidth", unit: "bit/s", cells: 1, values: [9.1e9, 8e8, undefined] },
    { probe: "names", from: "", to: "", what: "time", unit: "ms", cells: 7, values: [0, 4, undefined] },
    { probe: "only here", from: "", to: "", what: "time", unit: "ms", cells: 1, values: [1, undefined, undefined] },
  ],
  notes: ["the lab was changed between these runs"],
};

const comparison: Comparison = {
  apiVersion: "cnilab.dev/v1alpha1",
  kind: "Comparison",
  verdict: "different",
  labs: [lab],
  stale: [
    { lab: "shop", probe: "gone", what: "it was so", upstream: "https://example.org/2", place: "divergences.yaml:9" },
  ],
  durationMs: 65_000,
};

describe("a comparison for people", () => {
  test.each([80, 120])("at %i columns", async (width) => {
    const text = renderComparison(comparison, { colour: false, width });
    await expect(text).toMatchFileSnapshot(`expected/compare-${width}.txt`);
    expect(text).not.toContain("\u001b");
  });

  test("keeps cells and figures within the terminal", () => {
    const wide = renderComparison(comparison, { colour: false, width: 80 })
      .split("\n")
      .filter((line) => line.length > 80 && !line.includes("cells equal"));
    expect(wide).toEqual([]);
  });

  test("that found everything equal says so and shows no differences", () => {
    const counts = { cells: 12, equal: 12, different: 0, known: 0, explained: 0, ungraded: 0 };
    const equal = { ...lab, counts, differences: [], inconclusive: [], notes: [] };
    const text = renderComparison(
      { ...comparison, verdict: "equal", labs: [equal], stale: [] },
      { colour: false, width: 100 },
    );
    expect(text).toContain("12 of 12 cells equal\n");
    expect(text).toMatch(/^equal: 12 of 12 cells equal, 0 unexplained, 1 not run in 1 min 5 s$/m);
    expect(text).not.toContain("✗");
  });
});
