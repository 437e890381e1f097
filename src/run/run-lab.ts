import { asError } from "../core/as-error.ts";
import type { Report } from "../report/types.ts";
import { bringUp } from "./bring-up.ts";
import type { RunContext } from "./context.ts";
import { gradePlacedLab } from "./grade-placed-lab.ts";
import { makeReport } from "./make-report.ts";
import { PhaseRunner, withUndo } from "./phases.ts";
import { quoteWord } from "../core/shell-word.ts";
import { keep, remove } from "./provision.ts";
import type { LabRequest } from "./read-lab.ts";
import { applySolutions } from "./scenario.ts";
import { collectWarnings } from "./warnings.ts";

export interface RunRequest extends LabRequest {
  /** Leave the lab running; of one that fails, what the provider can leave. */
  keep: boolean;
  /** Apply the tasks' reference solutions after the baseline. */
  solution: boolean;
}

/** A grade, and what went wrong afterwards. */
export interface RunOutcome {
  report: Report;
  /** The lab was graded but could not be taken down, or left running. */
  failure?: Error;
}

/**
 * The whole way from a lab file to its grade: load → plan → provision → scenario → baseline → solution → probe → grade →
 * down. When it fails or is interrupted, nothing is left that `keep` does not ask for. Throws what {@link bringUp} throws.
 */
export async function runLab(request: RunRequest, outer: RunContext): Promise<RunOutcome> {
  const { context, warnings } = collectWarnings(outer);
  const phases = new PhaseRunner(context);
  return withUndo(context, async (undo) => {
    const lab = await bringUp(request, { needsBaseline: request.solution, keepFailed: request.keep }, phases, undo);
    const { plan } = lab;
    if (request.solution) {
      await phases.run("solution", "apply the reference solution", () => applySolutions(lab, context));
    }
    const rerunPrefix = request.keep ? undefined : againAndKept(request);
    const grade = await gradePlacedLab(lab, phases, { rerunPrefix });

    // From here on there is a grade, and it is told whatever else happens.
    let failure: Error | undefined;
    try {
      if (request.keep) await keep(lab, context);
      else await phases.runToEnd("down", `remove ${plan.lab.name}`, () => remove(lab, context));
    } catch (error) {
      failure = asError(error);
    }
    const report = makeReport(plan, grade, { mode: "grade", warnings }, phases);
    return failure === undefined ? { report } : { report, failure };
  });
}

/** The same run, its lab left for the command that follows; `;`, because a run with a failed cell fails. */
function againAndKept({ lab, provider, cni, cniOptions = {}, kubeconfig, context, solution }: RunRequest): string {
  const options = [
    ...(provider === undefined ? [] : ["--provider", provider]),
    ...(cni === undefined ? [] : ["--cni", cni.mode === undefined ? cni.name : `${cni.name}:${cni.mode}`]),
    ...Object.entries(cniOptions).flatMap(([key, text]) => ["--cni-option", `${key}=${text}`]),
    ...(kubeconfig === undefined ? [] : ["--kubeconfig", kubeconfig]),
    ...(context === undefined ? [] : ["--context", context]),
    ...(solution ? ["--solution"] : []),
  ];
  return `${["cnilab", "run", lab, ...options, "--keep", "-q"].map(quoteWord).join(" ")}; `;
}
