import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { GradeReport, JudgedCell } from "../../src/grade/types.ts";
import type { RunRecord } from "../../src/run/record.ts";
import { Cnilab } from "./cnilab.ts";

const cnilab = new Cnilab();

afterAll(async () => {
  await cnilab.run("down", "--all");
  await cnilab.remove();
});

/** Labs with a matrix, and ports asked for beside the lab's own: one that nobody serves, and UDP where it is served. */
const labs: { lab: string; solve: boolean; ports: { port: number; protocol: "tcp" | "udp" }[] }[] = [
  { lab: "cross-namespace", solve: true, ports: [{ port: 9, protocol: "tcp" }] },
  { lab: "default-deny", solve: true, ports: [{ port: 9, protocol: "tcp" }] },
  { lab: "egress-dns", solve: true, ports: [{ port: 9, protocol: "tcp" }] },
  { lab: "first-lab", solve: false, ports: [{ port: 9, protocol: "tcp" }] },
  { lab: "flat-network", solve: false, ports: [{ port: 8081, protocol: "udp" }] },
];

/** Changes the probes that a running lab knows, since lab files name no pods of Deployments. */
function editProbes(lab: string, change: (probes: RunRecord["plan"]["probes"]) => RunRecord["plan"]["probes"]): void {
  const path = join(cnilab.stateHome, "cnilab", "labs", lab, "record.json");
  const record = JSON.parse(readFileSync(path, "utf8")) as RunRecord;
  record.plan.probes = change(record.plan.probes);
  writeFileSync(path, JSON.stringify(record));
}

async function probeCells(lab: string): Promise<JudgedCell[]> {
  const { stdout, stderr } = await cnilab.run("probe", lab, "-o", "json");
  expect(stdout, stderr).not.toBe("");
  const { probes } = JSON.parse(stdout) as GradeReport;
  return probes.flatMap((probe) => [...probe.cells, ...((probe.ungraded ?? []) as JudgedCell[])]);
}

const nameOf = ({ key: { from, to, port, protocol } }: JudgedCell): string => `${from} → ${to}:${port}/${protocol}`;

describe("a named probe and a matrix cell of the same flow see the same", () => {
  test.each(labs)("on every cell of $lab", async ({ lab, solve, ports }) => {
    const run = await cnilab.run("run", `labs/${lab}`, ...(solve ? ["--solution"] : []), "--keep");
    expect(run.exitCode, run.stdout + run.stderr).toBe(0);

    let wanted: RunRecord["plan"]["probes"][number]["expect"] = "policy";
    editProbes(lab, (probes) =>
      probes
        .filter(({ kind }) => kind === "matrix")
        .map((probe) => {
          const options = probe.options as { ports: unknown[] };
          wanted = probe.expect;
          return { ...probe, options: { ...options, ports: [...options.ports, ...ports] } };
        }),
    );
    // A pod's probe of itself is the same flow in both, but no cell of the matrix.
    const matrix = (await probeCells(lab)).filter(({ key }) => key.from !== key.to);
    expect(matrix.length).toBeGreaterThan(4);

    const podRef = (end: string) => {
      const [namespace = "", name = ""] = end.split("/");
      return { kind: "pod" as const, namespace, name };
    };
    editProbes(lab, () =>
      matrix.map((cell) => ({
        name: nameOf(cell),
        kind: cell.key.protocol ?? "tcp",
        from: podRef(cell.key.from),
        options: { to: podRef(cell.key.to), port: cell.key.port },
        expect: wanted,
      })),
    );
    const named = (await probeCells(lab)).filter(({ key }) => key.from !== key.to);

    const outcome = (cell: JudgedCell) => `${nameOf(cell)} ${cell.observation?.outcome} ${cell.verdict ?? "ungraded"}`;
    const outcomes = new Set(matrix.map(outcome));
    expect(named.map(outcome).filter((seen) => !outcomes.has(seen))).toEqual([]);
    expect(named).toHaveLength(matrix.length);
    await cnilab.run("down", lab);
  });
});
