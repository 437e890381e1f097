import { mergeControls, type RecordedControl } from "../grade/controls.ts";
import { measureTime } from "../grade/time-limit.ts";
import type { Report } from "../report/types.ts";
import type { RunContext } from "./context.ts";
import { refuseInExam } from "./exam/refuse-in-exam.ts";
import { gradePlacedLab } from "./grade-placed-lab.ts";
import { makeReport } from "./make-report.ts";
import { PhaseRunner } from "./phases.ts";
import { withRunningLab } from "./running-lab.ts";
import { settleFirst } from "./settle-first.ts";
import { collectWarnings } from "./warnings.ts";

export interface GradeRequest {
  lab: string;
  /** What answered lately and is not in the lab's record. */
  answers?: readonly RecordedControl[];
}

/** Probes a running lab, once changes are in effect, and grades it against its untouched state. Throws LAB_NOT_RUNNING, LAB_BUSY. */
export async function gradeLab({ lab: argument, answers = [] }: GradeRequest, outer: RunContext): Promise<Report> {
  const { context, warnings } = collectWarnings(outer);
  const phases = new PhaseRunner(context);
  return withRunningLab(argument, context, async ({ record, cluster }) => {
    refuseInExam(record, "grade", context);
    const { plan } = record;
    record.controls = mergeControls(record.controls, answers);
    // Whoever calls in time is in time, however long the probes take.
    const time = plan.timeLimit === undefined ? undefined : measureTime(plan.timeLimit, record.timing, context.now());
    if (time?.unknown !== undefined) warnOfTime(time.unknown, context);
    const objects = await phases.run("settle", "let changes take effect", () => settleFirst(cluster, context));
    const grade = await gradePlacedLab({ plan, cluster, record }, phases, { objects, time });
    return makeReport(plan, grade, { mode: "grade", warnings }, phases);
  });
}

function warnOfTime(why: string, { emit }: RunContext): void {
  emit({
    type: "warning",
    warning: {
      code: "GRADE_TIME_UNKNOWN",
      message: `what of the time limit is used cannot be told: ${why}`,
      hint: "set the clock right and grade again; cnilab reset starts anew",
    },
  });
}
