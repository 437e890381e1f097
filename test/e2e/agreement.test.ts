import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { GradeReport, JudgedCell } from "../../src/grade/types.ts";
import type { RunRecord } from "../../src/run/record.ts";
import { Cnilab, repository } from "./cnilab.ts";

/** A state folder for each lab: they are up side by side. */
const commands: Cnilab[] = [];

afterAll(async () => {
  for (const each of commands) await each.remove();
});

/** Every lab that runs here; those with a task are solved first. */
const labs = readdirSync(join(repository, "labs"))
  .map((lab) => ({ lab, text: readFileSync(join(repository, "labs", lab, "lab.yaml"), "utf8") }))
  .filter(({ text }) => !text.includes("providers: [kind]"))
  .map(({ lab, text }) => ({ lab, isToSolve: /^tasks:/m.test(text) }));

/** What labs' pods serve, one or the other of it, and UDP, which tells less when it is silent. */
const PORTS = [
  { port: 80, protocol: "tcp" },
  { port: 8080, protocol: "tcp" },
  { port: 53, protocol: "udp" },
] as const;

/** Flows without an answer, each waited for, that are tried by name in a lab; CNILAB_EVERY_CELL=1 tries all (minutes). */
const MOST_SILENT = process.env["CNILAB_EVERY_CELL"] === undefined ? 12 : Infinity;

type Probe = RunRecord["plan"]["probes"][number];

/** Changes the probes that a running lab knows, since lab files name no pods of Deployments. */
function replaceProbes(cnilab: Cnilab, lab: string, probes: Probe[]): void {
  const path = join(cnilab.stateHome, "cnilab", "labs", lab, "record.json");
  const record = JSON.parse(readFileSync(path, "utf8")) as RunRecord;
  record.plan.probes = probes;
  writeFileSync(path, JSON.stringify(record));
}

async function probeCells(cnilab: Cnilab, lab: string): Promise<JudgedCell[]> {
  const { stdout, stderr } = await cnilab.run("probe", lab, "-o", "json");
  expect(stdout, stderr).not.toBe("");
  const { probes } = JSON.parse(stdout) as GradeReport;
  // A pod's probe of itself is the same flow in both, but no cell of the matrix.
  return probes
    .flatMap((probe) => [...probe.cells, ...((probe.ungraded ?? []) as JudgedCell[])])
    .filter(({ key }) => key.from !== key.to);
}

const nameOf = ({ key: { from, to, port, protocol } }: JudgedCell): string => `${from} → ${to}:${port}/${protocol}`;

function podRef(end: string): { kind: "pod"; namespace: string; name: string } {
  const [namespace = "", name = ""] = end.split("/");
  return { kind: "pod", namespace, name };
}

const outcome = (cell: JudgedCell): string =>
  `${nameOf(cell)} ${cell.observation?.outcome} ${cell.verdict ?? "ungraded"}`;

describe.concurrent("a named probe and a matrix cell of the same flow see the same", () => {
  test.each(labs)("on the cells of $lab", async ({ lab, isToSolve }) => {
    // Where half of the flows are lost, most of the time is waiting for them.
    const cnilab = new Cnilab({ timeoutMs: 110_000 });
    commands.push(cnilab);
    const run = await cnilab.run("run", `labs/${lab}`, ...(isToSolve ? ["--solution"] : []), "--keep");
    expect(run.exitCode, run.stdout + run.stderr).toBe(0);

    const everyPod = [{ namespace: "*", name: "*" }];
    const options = { pods: everyPod, ports: PORTS };
    replaceProbes(cnilab, lab, [{ name: "all", kind: "matrix", options, expect: "policy" } as Probe]);
    const matrix = await probeCells(cnilab, lab);
    expect(matrix.length).toBeGreaterThan(4);

    const isSilent = ({ observation }: JudgedCell): boolean => observation?.outcome === "dropped";
    const silent = matrix.filter(isSilent);
    const step = Math.ceil(silent.length / MOST_SILENT);
    const tried = matrix.filter((cell) => !isSilent(cell) || silent.indexOf(cell) % step === 0);
    const named = tried.map((cell): Probe => ({
      name: nameOf(cell),
      kind: cell.key.protocol ?? "tcp",
      from: podRef(cell.key.from),
      options: { to: podRef(cell.key.to), port: cell.key.port },
      expect: "policy",
    }));
    replaceProbes(cnilab, lab, named);
    const seen = (await probeCells(cnilab, lab)).map(outcome);
    expect(seen.toSorted()).toEqual(tried.map(outcome).toSorted());
    console.log(`${lab}: ${seen.length} of ${matrix.length} cells`);
    await cnilab.run("down", lab);
  });
});
