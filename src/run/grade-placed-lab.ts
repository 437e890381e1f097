import type { GradeReport } from "../grade/types.ts";
import type { PlacedLab } from "./bring-up.ts";
import type { PhaseRunner } from "./phases.ts";
import { probeAndJudge, type ProbingRequest } from "./probing.ts";

/**
 * Runs all probes of a lab that is up and judges them against its untouched state; the record keeps the grade and what
 * answered. `rerunPrefix` goes before the commands that rerun a cell; `objects` are the cluster's, where they are known.
 */
export async function gradePlacedLab(
  { plan, cluster, record }: PlacedLab,
  phases: PhaseRunner,
  { rerunPrefix, objects }: Pick<ProbingRequest, "rerunPrefix" | "objects"> = {},
): Promise<GradeReport> {
  const { context } = phases;
  const { probes, tasks } = plan;
  const { controls: known, baseline, hintsTaken } = record;
  const title = `run ${probes.length} ${probes.length === 1 ? "probe" : "probes"}`;
  const { grade, controls } = await phases.runProbing(probes, title, () =>
    probeAndJudge(
      { plan, cluster, objects, probes, tasks, hintsTaken, controls: known, baseline, phase: "probe", rerunPrefix },
      context,
    ),
  );
  record.controls = controls;
  record.lastGrade = { at: context.now().toISOString(), grade };
  return grade;
}
