import type { Report } from "../report/types.ts";
import type { RunContext } from "./context.ts";
import { gradePlacedLab } from "./grade-placed-lab.ts";
import { makeReport } from "./make-report.ts";
import { PhaseRunner } from "./phases.ts";
import { withRunningLab } from "./running-lab.ts";
import { settleFirst } from "./settle-first.ts";
import { collectWarnings } from "./warnings.ts";

/** Probes a running lab, once changes are in effect, and grades it against its untouched state. Throws LAB_NOT_RUNNING, LAB_BUSY. */
export async function gradeLab({ lab: argument }: { lab: string }, outer: RunContext): Promise<Report> {
  const { context, warnings } = collectWarnings(outer);
  const phases = new PhaseRunner(context);
  return withRunningLab(argument, context, async ({ record, cluster }) => {
    const { plan } = record;
    const objects = await phases.run("settle", "let changes take effect", () => settleFirst(cluster, context));
    const grade = await gradePlacedLab({ plan, cluster, record }, phases, { objects });
    return makeReport(plan, grade, { mode: "grade", warnings }, phases);
  });
}
