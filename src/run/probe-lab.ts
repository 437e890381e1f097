import { LabError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import type { Plan, PlannedProbe } from "../plan/types.ts";
import type { Report } from "../report/types.ts";
import { attachLab } from "./attach-lab.ts";
import type { RunContext } from "./context.ts";
import { findKnownLab } from "./find-lab.ts";
import { makeReport } from "./make-report.ts";
import { PhaseRunner } from "./phases.ts";
import { probeAndJudge } from "./probing.ts";
import { collectWarnings } from "./warnings.ts";

export interface ProbeRequest {
  lab: string;
  /** Names of probes; empty means all. */
  only: string[];
  /** Only the cells of matrices between these two. */
  cell: { from: string; to: string } | undefined;
}

/**
 * Probes a running lab, or some of its probes, without points; changes nothing, and may run beside anything else. Throws
 * LAB_NOT_RUNNING, LAB_NO_SUCH_PROBE, LAB_NO_SUCH_CELL.
 */
export async function probeLab({ lab, only, cell }: ProbeRequest, outer: RunContext): Promise<Report> {
  const { context, warnings } = collectWarnings(outer);
  const phases = new PhaseRunner(context);
  const { record, cluster } = await attachLab(findKnownLab(context.stateRoot, lab), context);
  const { plan, controls } = record;
  try {
    const picked = pickProbes(plan, only);
    const probes = cell === undefined ? picked : picked.filter(({ kind }) => kind === "matrix");
    const { grade } = await phases.run(
      "probe",
      `run ${probes.length} ${probes.length === 1 ? "probe" : "probes"}`,
      () => probeAndJudge({ plan, cluster, probes, tasks: [], controls, cell, phase: "probe" }, context),
    );
    if (cell !== undefined && grade.probes.every(({ cells, ungraded = [] }) => cells.length + ungraded.length === 0)) {
      throw new LabError(
        "LAB_NO_SUCH_CELL",
        `no probe goes from ${JSON.stringify(cell.from)} to ${JSON.stringify(cell.to)}`,
        {
          hint: "name both ends as a report does; a pod that was replaced has another name",
        },
      );
    }
    return makeReport(plan, grade, { mode: "probe", warnings }, phases);
  } finally {
    await cluster.close();
  }
}

function pickProbes(plan: Plan, only: string[]): PlannedProbe[] {
  const names = plan.probes.map(({ name }) => name);
  const unknown = only.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new LabError("LAB_NO_SUCH_PROBE", `lab ${plan.lab.name} has no probe ${JSON.stringify(unknown)}`, {
      hint: didYouMean(unknown, names),
    });
  }
  return only.length === 0 ? plan.probes : plan.probes.filter(({ name }) => only.includes(name));
}
