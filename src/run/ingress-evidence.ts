import { stripVTControlCharacters } from "node:util";
import { LabError } from "../core/errors.ts";
import type { Evidence, GradeReport, JudgedCell } from "../grade/types.ts";
import { TRAEFIK_NAME, TRAEFIK_NAMESPACE } from "../kube/traefik.ts";
import type { Plan } from "../plan/types.ts";
import type { RanProbe } from "../probes/scheduler.ts";
import type { Cluster, Source } from "../providers/types.ts";
import { cellId } from "./cell-id.ts";

/** What its log says last is what holds now. */
const MOST_LINES = 5;

/**
 * Adds to requests that did not pass and were the Ingress controller's to answer what it has against the lab's Ingresses, by its own log. Where all passed, and
 * in labs without it, nothing is asked.
 */
export async function addIngressEvidence(
  grade: GradeReport,
  ran: readonly RanProbe[],
  { cluster, plan }: { cluster: Pick<Cluster, "logs">; plan: Pick<Plan, "lab" | "realCluster"> },
): Promise<GradeReport> {
  if (plan.realCluster?.addOns.includes("traefik") !== true) return grade;
  // A probe that is no request has other things to say, and a matrix thousands of cells.
  const requests = grade.probes.filter(({ kind }) => kind === "curl");
  const failed = requests.flatMap(({ name, cells }) =>
    cells.flatMap((cell) => {
      const pod = cell.verdict === "pass" ? undefined : proxyOf(name, cell, ran);
      return pod === undefined ? [] : [{ cell, pod }];
    }),
  );
  const [first] = failed;
  if (first === undefined) return grade;
  const evidence = evidenceOf(await logOf(cluster, first.pod), plan.lab.name);
  if (evidence === undefined) return grade;
  const shown = new Set(failed.map(({ cell }) => cell));
  const withEvidence = (cell: JudgedCell): JudgedCell => {
    if (cell.observation === undefined || !shown.has(cell)) return cell;
    return { ...cell, observation: { ...cell.observation, evidence: [...cell.observation.evidence, evidence] } };
  };
  return { ...grade, probes: grade.probes.map((probe) => ({ ...probe, cells: probe.cells.map(withEvidence) })) };
}

/** The controller's pod, where the cell's request went to it. */
function proxyOf(name: string, cell: JudgedCell, ran: readonly RanProbe[]): (Source & { kind: "pod" }) | undefined {
  const cells = ran.find((each) => each.name === name)?.cells ?? [];
  const { flow } = cells.find(({ key }) => cellId(key) === cellId(cell.key)) ?? {};
  return flow?.to.find(
    (to): to is Source & { kind: "pod" } =>
      to.kind === "pod" && to.namespace === TRAEFIK_NAMESPACE && to.name.startsWith(`${TRAEFIK_NAME}-`),
  );
}

/** A pod that has gone meanwhile has no log any more: no verdict depends on it. */
async function logOf(cluster: Pick<Cluster, "logs">, pod: Source & { kind: "pod" }): Promise<string> {
  try {
    return await cluster.logs(pod);
  } catch (error) {
    if (error instanceof LabError && error.code === "SOURCE_MISSING") return "";
    throw error;
  }
}

function evidenceOf(log: string, lab: string): Evidence | undefined {
  // The real one writes in colours.
  const lines = stripVTControlCharacters(log).split("\n");
  const faults = lines.filter((line) => / ERR /.test(line));
  if (faults.length === 0) return undefined;
  const command = `cnilab logs ${lab} ${TRAEFIK_NAMESPACE}/deployment/${TRAEFIK_NAME}`;
  return { kind: "note", text: faults.slice(-MOST_LINES).join("\n"), command };
}
