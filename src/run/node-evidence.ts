import type { Evidence, GradeReport, JudgedCell, JudgedProbe } from "../grade/types.ts";
import type { RanProbe } from "../probes/scheduler.ts";
import type { Cluster, Flow } from "../providers/types.ts";
import { cellId } from "./cell-id.ts";

/** The first failures nearly always say what is wrong; as many of one probe as the terminal shows. */
const MOST_OF_A_PROBE = 3;
const MOST = 6;
/** No further flow is begun after this. */
const BUDGET_MS = 15_000;

/**
 * Adds to the first cells that did not pass what the nodes of both ends show of their flows, where the provider can look
 * into its nodes. Judged before and not again: that the nodes cannot be asked is evidence, too, and no verdict changes.
 */
export async function addNodeEvidence(
  grade: GradeReport,
  ran: readonly RanProbe[],
  cluster: Cluster,
  { signal, onFlow }: { signal: AbortSignal; onFlow: (cell: JudgedCell) => void },
): Promise<GradeReport> {
  if (cluster.evidence === undefined) return grade;
  const startedAt = performance.now();
  const found = new Map<JudgedCell, Evidence[]>();
  // Two probes of one flow, such as tcp and curl, need it but once.
  const known = new Map<string, Evidence[]>();
  for (const { cell, flow } of pickFlows(grade.probes, ran)) {
    const key = JSON.stringify(flow);
    if (!known.has(key)) {
      if (known.size >= MOST || performance.now() - startedAt > BUDGET_MS) break;
      signal.throwIfAborted();
      onFlow(cell);
      known.set(key, await evidenceOf(cluster, flow));
    }
    found.set(cell, known.get(key) ?? []);
  }
  const probes = grade.probes.map((probe) => ({
    ...probe,
    cells: probe.cells.map((cell): JudgedCell => {
      const more = found.get(cell);
      if (more === undefined || cell.observation === undefined) return cell;
      return { ...cell, observation: { ...cell.observation, evidence: [...cell.observation.evidence, ...more] } };
    }),
  }));
  return { ...grade, probes };
}

function pickFlows(probes: readonly JudgedProbe[], ran: readonly RanProbe[]): { cell: JudgedCell; flow: Flow }[] {
  // A matrix may have failed in thousands of cells. Of two that have one name the first counts.
  const flows = new Map(
    ran.map(({ name, cells }) => [name, new Map(cells.toReversed().map(({ key, flow }) => [cellId(key), flow]))]),
  );
  const flowOf = (probe: JudgedProbe, cell: JudgedCell): Flow | undefined =>
    flows.get(probe.name)?.get(cellId(cell.key));
  return firstOfProbes(probes, (probe, cell) => flowOf(probe, cell) !== undefined).flatMap(({ probe, cell }) => {
    const flow = flowOf(probe, cell);
    return flow === undefined ? [] : [{ cell, flow }];
  });
}

/**
 * The first cells of each probe that did not pass, and were seen: what failed before what could not be told. What a CNI without
 * policies cannot enforce needs no explanation.
 */
export function firstOfProbes(
  probes: readonly JudgedProbe[],
  isWanted: (probe: JudgedProbe, cell: JudgedCell) => boolean,
): { probe: JudgedProbe; cell: JudgedCell }[] {
  const picked = (["fail", "inconclusive"] as const).flatMap((verdict) =>
    probes.flatMap((probe) => {
      if (verdict === "inconclusive" && probe.notEnforceable !== undefined) return [];
      return probe.cells
        .filter((cell) => cell.verdict === verdict && cell.observation !== undefined && isWanted(probe, cell))
        .map((cell) => ({ probe, cell }));
    }),
  );
  const counts = new Map<JudgedProbe, number>();
  return picked.filter(({ probe }) => {
    const count = (counts.get(probe) ?? 0) + 1;
    counts.set(probe, count);
    return count <= MOST_OF_A_PROBE;
  });
}

async function evidenceOf(cluster: Cluster, flow: Flow): Promise<Evidence[]> {
  try {
    return (await cluster.evidence?.(flow)) ?? [];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [{ kind: "note", text: `the nodes could not be asked: ${reason}` }];
  }
}
