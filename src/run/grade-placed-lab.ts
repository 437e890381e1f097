import { applyTimeLimit } from "../grade/time-limit.ts";
import type { GradeReport, TimeUse } from "../grade/types.ts";
import type { PlacedLab } from "./bring-up.ts";
import type { PhaseRunner } from "./phases.ts";
import { probeAndJudge, type ProbingRequest } from "./probing.ts";

/**
 * Runs all probes of a lab that is up and judges them against its untouched state; the record keeps the grade and what
 * answered. `rerunPrefix` goes before the commands that rerun a cell; `objects` are the cluster's, where they are known; `time`
 * is that of a lab with a limit.
 */
export async function gradePlacedLab(
  { plan, cluster, record }: PlacedLab,
  phases: PhaseRunner,
  { rerunPrefix, objects, time }: Pick<ProbingRequest, "rerunPrefix" | "objects"> & { time?: TimeUse | undefined } = {},
): Promise<GradeReport> {
  const { context } = phases;
  const { probes, tasks } = plan;
  const { controls: known, baseline, hintsTaken, enforcement } = record;
  const title = `run ${probes.length} ${probes.length === 1 ? "probe" : "probes"}`;
  const { grade: seen, controls } = await phases.runProbing(probes, title, () =>
    probeAndJudge(
      {
        plan,
        cluster,
        objects,
        probes,
        tasks,
        hintsTaken,
        controls: known,
        baseline,
        enforcement,
        phase: "probe",
        rerunPrefix,
      },
      context,
    ),
  );
  const grade = time === undefined ? seen : applyTimeLimit(seen, time);
  record.controls = controls;
  record.lastGrade = { at: context.now().toISOString(), grade };
  return grade;
}
