import { describe, expect, test } from "vitest";
import { LabError } from "../../../src/core/errors.ts";
import { gradeProbes } from "../../../src/grade/judge.ts";
import type { Cell, Evidence, GradeReport, Outcome } from "../../../src/grade/types.ts";
import type { RanProbe } from "../../../src/probes/scheduler.ts";
import type { Cluster, Flow } from "../../../src/providers/types.ts";
import { addNodeEvidence } from "../../../src/run/node-evidence.ts";
import { fakeCluster } from "../../fixtures/fake-cluster.ts";

const shown: Evidence = { kind: "node", text: "node two dropped 2 packets" };
const flowTo = (name: string): Flow => ({
  from: { kind: "pod", namespace: "shop", name: "web" },
  to: [{ kind: "pod", namespace: "shop", name }],
  address: "10.0.0.2",
  port: 80,
  protocol: "tcp",
});

interface Wanted {
  probe: string;
  to: string;
  outcome: Outcome;
  expected?: "allowed" | "blocked";
  hasFlow?: boolean;
}

/** A grade of these cells, a probe after another. */
function graded(
  wanted: readonly Wanted[],
  more: { notEnforceable?: string } = {},
): { grade: GradeReport; ran: RanProbe[] } {
  const names = [...new Set(wanted.map(({ probe }) => probe))];
  const ran = names.map((name): RanProbe => ({
    name,
    kind: "tcp",
    expectText: "allowed",
    durationMs: 1,
    ...more,
    probe: { name, kind: "tcp", options: {}, expect: "allowed" },
    cells: wanted
      .filter(({ probe }) => probe === name)
      .map(({ to, outcome, expected = "allowed", hasFlow = true }): Cell & { flow?: Flow } => ({
        key: { from: "shop/web", to, port: 80, protocol: "tcp" },
        expected,
        observation: { outcome, reason: outcome, tries: 2, evidence: [{ kind: "note", text: "first" }] },
        rerun: "",
        ...(hasFlow ? { flow: flowTo(to) } : {}),
      })),
  }));
  const compareFigures = (): never => {
    throw new Error("no figures were expected");
  };
  return { grade: gradeProbes({ probes: ran, tasks: [], compareFigures }), ran };
}

/** A cluster that shows `shown` of every flow, and whose it was asked for. */
function asked(answer: (flow: Flow) => Promise<Evidence[]> = () => Promise.resolve([shown])): {
  cluster: Cluster;
  flows: string[];
} {
  const flows: string[] = [];
  const evidence = (flow: Flow): Promise<Evidence[]> => {
    flows.push(flow.to.map((to) => (to.kind === "pod" ? to.name : "")).join());
    return answer(flow);
  };
  return { cluster: { ...fakeCluster(), evidence }, flows };
}

const options = { signal: new AbortController().signal, onFlow: (): void => undefined };
const cellsOf = ({ probes }: GradeReport) => probes.flatMap(({ cells }) => cells);

describe("what nodes show of flows", () => {
  test("stands behind the other evidence of what failed, and changes no verdict", async () => {
    const { grade, ran } = graded([
      { probe: "a", to: "db", outcome: "dropped" },
      { probe: "a", to: "api", outcome: "allowed" },
    ]);
    const { cluster, flows } = asked();
    const result = await addNodeEvidence(grade, ran, cluster, options);
    expect(flows).toEqual(["db"]);
    const [failed, passed] = cellsOf(result);
    expect(failed?.observation?.evidence).toEqual([{ kind: "note", text: "first" }, shown]);
    expect(passed?.observation?.evidence).toEqual([{ kind: "note", text: "first" }]);
    expect(cellsOf(result).map(({ verdict }) => verdict)).toEqual(cellsOf(grade).map(({ verdict }) => verdict));
    expect(result.verdict).toBe(grade.verdict);
  });

  test("is asked for failures before what is inconclusive, of three cells of a probe and six flows at most", async () => {
    const { grade, ran } = graded([
      { probe: "unsure", to: "u1", outcome: "dropped", expected: "blocked" },
      ...["1", "2", "3", "4"].map((n) => ({ probe: "a", to: `a${n}`, outcome: "dropped" as const })),
      ...["1", "2"].map((n) => ({ probe: "b", to: `b${n}`, outcome: "rejected" as const })),
      { probe: "c", to: "c1", outcome: "dropped" },
    ]);
    const { cluster, flows } = asked();
    await addNodeEvidence(grade, ran, cluster, options);
    expect(flows).toEqual(["a1", "a2", "a3", "b1", "b2", "c1"]);
  });

  test("is asked for once where two probes have the same flow", async () => {
    const { grade, ran } = graded([
      { probe: "a", to: "db", outcome: "dropped" },
      { probe: "b", to: "db", outcome: "dropped" },
    ]);
    const { cluster, flows } = asked();
    const result = await addNodeEvidence(grade, ran, cluster, options);
    expect(flows).toEqual(["db"]);
    expect(cellsOf(result).map(({ observation }) => observation?.evidence.at(-1))).toEqual([shown, shown]);
  });

  test("is not asked for where there is no flow, or where the CNI enforces nothing", async () => {
    const unresolved = graded([{ probe: "a", to: "db", outcome: "error", hasFlow: false }]);
    const { cluster, flows } = asked();
    await addNodeEvidence(unresolved.grade, unresolved.ran, cluster, options);
    const unenforced = graded([{ probe: "a", to: "db", outcome: "dropped", expected: "blocked" }], {
      notEnforceable: "flannel enforces no policies",
    });
    expect(unenforced.grade.verdict).toBe("inconclusive");
    await addNodeEvidence(unenforced.grade, unenforced.ran, cluster, options);
    expect(flows).toEqual([]);
  });

  test("is a note of why the nodes could not be asked, where they could not", async () => {
    const { grade, ran } = graded([{ probe: "a", to: "db", outcome: "dropped" }]);
    const { cluster } = asked(() => Promise.reject(new LabError("AGENT_LOST", "the agent of node two is lost")));
    const [cell] = cellsOf(await addNodeEvidence(grade, ran, cluster, options));
    expect(cell?.observation?.evidence.at(-1)).toEqual({
      kind: "note",
      text: "the nodes could not be asked: the agent of node two is lost",
    });
    expect(cell?.verdict).toBe("fail");
  });

  test("is nothing where the provider cannot look into its nodes", async () => {
    const { grade, ran } = graded([{ probe: "a", to: "db", outcome: "dropped" }]);
    expect(await addNodeEvidence(grade, ran, fakeCluster(), options)).toBe(grade);
  });
});
