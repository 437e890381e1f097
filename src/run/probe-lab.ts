import { LabError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import type { Plan, PlannedProbe } from "../plan/types.ts";
import type { Report } from "../report/types.ts";
import { attachLab } from "./attach-lab.ts";
import type { RunContext } from "./context.ts";
import { refuseInExam } from "./exam/refuse-in-exam.ts";
import { findKnownLab } from "./find-lab.ts";
import { lockLab, type LabLock } from "./lab-lock.ts";
import { makeReport } from "./make-report.ts";
import { PhaseRunner } from "./phases.ts";
import { probeAndJudge } from "./probing.ts";
import { collectWarnings } from "./warnings.ts";
import { isTimed } from "./timed-probes.ts";

export interface ProbeRequest {
  lab: string;
  /** Names of probes; empty means all. */
  only: string[];
  /** Only the cells of matrices between these two. */
  cell: { from: string; to: string } | undefined;
}

/**
 * Probes a running lab, or some of its probes, without points; changes nothing, and may run beside anything else, but for probes during or
 * after a fault: they make and restore it. Throws LAB_NOT_RUNNING, LAB_NO_SUCH_PROBE, LAB_NO_SUCH_CELL, LAB_BUSY.
 */
export async function probeLab({ lab, only, cell }: ProbeRequest, outer: RunContext): Promise<Report> {
  const { context, warnings } = collectWarnings(outer);
  const phases = new PhaseRunner(context);
  const name = findKnownLab(context.stateRoot, lab);
  const { record, cluster } = await attachLab(name, context);
  const { plan, controls, enforcement } = record;
  let lock: LabLock | undefined;
  try {
    refuseInExam(record, "probe", context);
    const picked = pickProbes(plan, only);
    const probes = cell === undefined ? picked : picked.filter(({ kind }) => kind === "matrix");
    if (probes.some(isTimed)) lock = lockLab(context.stateRoot, name);
    const { grade } = await phases.runProbing(
      probes,
      `run ${probes.length} ${probes.length === 1 ? "probe" : "probes"}`,
      () => probeAndJudge({ plan, cluster, probes, tasks: [], controls, enforcement, cell, phase: "probe" }, context),
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
    lock?.release();
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
