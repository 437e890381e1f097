import type { Cell, JudgedCell, JudgedProbe, Observation, Verdict } from "../../../src/grade/types.ts";
import type { Report } from "../../../src/report/types.ts";

export function observation(
  outcome: Observation["outcome"],
  reason: string,
  more: Partial<Observation> = {},
): Observation {
  return { outcome, reason, tries: 1, evidence: [], ...more };
}

export function cell(from: string, to: string, verdict: Verdict, more: Partial<JudgedCell> = {}): JudgedCell {
  return {
    key: { from, to, port: 5432, protocol: "tcp" },
    expected: "allowed",
    observation: observation("allowed", "connected", { latencyMs: 0.4 }),
    rerun: `cnilab probe shop --only db --cell ${from},${to}`,
    verdict,
    reason: "allowed as expected",
    ...more,
  };
}

export function probe(name: string, cells: JudgedCell[], more: Partial<JudgedProbe> = {}): JudgedProbe {
  const verdicts = cells.map(({ verdict }) => verdict);
  const verdict = verdicts.includes("fail") ? "fail" : verdicts.includes("inconclusive") ? "inconclusive" : "pass";
  return {
    name,
    kind: "tcp",
    span: { file: "labs/shop/lab.yaml", line: 12, column: 5, length: 4, lineText: "  - name: x" },
    expectText: "allowed",
    cells,
    durationMs: 12,
    verdict,
    role: "goal",
    earned: 0,
    possible: 0,
    ...more,
  };
}

/** Pods × pods × ports; `see` says what each cell shows, undefined for cells that were never probed. */
export function matrix(
  pods: string[],
  ports: number[],
  see: (from: string, to: string, port: number) => "allowed" | "blocked" | "leaked" | "broken" | "unsure" | undefined,
): JudgedProbe {
  const cells: JudgedCell[] = [];
  const ungraded: Cell[] = [];
  for (const port of ports) {
    for (const from of pods) {
      for (const to of pods) {
        const key = { from, to, port, protocol: "tcp" as const };
        if (from === to) {
          ungraded.push({ key, rerun: "", ungraded: "loopback", observation: observation("allowed", "connected") });
          continue;
        }
        const seen = see(from, to, port);
        if (seen === undefined) continue;
        const isDropped = seen === "blocked" || seen === "broken";
        cells.push(
          cell(
            from,
            to,
            seen === "leaked" || seen === "broken" ? "fail" : seen === "unsure" ? "inconclusive" : "pass",
            {
              key,
              expected: seen === "allowed" || seen === "broken" ? "allowed" : "blocked",
              observation: isDropped
                ? observation("dropped", "no answer within 1.1 s", { tries: 2 })
                : observation("allowed", "connected"),
              reason: seen === "unsure" ? "dropped, but nobody ever got an answer there" : `${seen}`,
            },
          ),
        );
      }
    }
  }
  return probe("every pair of pods", cells, { kind: "matrix", expectText: "policy", ungraded });
}

export function report(probes: JudgedProbe[], more: Partial<Report> = {}): Report {
  const count = (verdict: Verdict): number => probes.filter((each) => each.verdict === verdict).length;
  const verdict = count("fail") > 0 ? "fail" : count("inconclusive") > 0 ? "inconclusive" : "pass";
  return {
    lab: { name: "shop", title: "A shop", file: "labs/shop/lab.yaml", level: "cka" },
    provider: "netns",
    cni: { name: "calico", mode: "vxlan", enforcesPolicy: true },
    nodes: 3,
    mode: "grade",
    notes: ["the data plane of calico is modelled here (netns); it is real on kind and ssh"],
    warnings: [],
    grade: {
      verdict,
      probes,
      tasks: [],
      earned: 0,
      possible: 0,
      counts: { pass: count("pass"), fail: count("fail"), inconclusive: count("inconclusive") },
    },
    phases: [
      { phase: "provision", title: "make 3 nodes", durationMs: 312, ok: true },
      { phase: "probe", title: "probe", durationMs: 8.25, ok: true },
    ],
    startedAt: "2026-01-02T03:04:05.000Z",
    durationMs: 1234,
    ...more,
  };
}
