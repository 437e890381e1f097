import type { Report } from "../report/types.ts";
import type { RunContext } from "./context.ts";
import { makeReport } from "./make-report.ts";
import { PhaseRunner } from "./phases.ts";
import { probeAndJudge } from "./probing.ts";
import { withRunningLab } from "./running-lab.ts";
import { collectWarnings } from "./warnings.ts";

/** Probes a running lab and grades it against its untouched state. Throws LAB_NOT_RUNNING, LAB_BUSY. */
export async function gradeLab({ lab: argument }: { lab: string }, outer: RunContext): Promise<Report> {
  const { context, warnings } = collectWarnings(outer);
  const phases = new PhaseRunner(context);
  return withRunningLab(argument, context, async ({ record, cluster }) => {
    const { plan } = record;
    const { grade, controls } = await phases.run(
      "probe",
      `run ${plan.probes.length} ${plan.probes.length === 1 ? "probe" : "probes"}`,
      () =>
        probeAndJudge(
          {
            plan,
            cluster,
            probes: plan.probes,
            tasks: plan.tasks,
            controls: record.controls,
            baseline: record.baseline,
            phase: "probe",
          },
          context,
        ),
    );
    record.controls = controls;
    record.lastGrade = { at: context.now().toISOString(), grade };
    return makeReport(plan, grade, { mode: "grade", warnings }, phases);
  });
}
