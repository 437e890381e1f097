import { attachBaseline, recordBaseline, type BaselineCell } from "../grade/baseline.ts";
import { attachControls, mergeControls, recordControls, type RecordedControl } from "../grade/controls.ts";
import { gradeProbes } from "../grade/judge.ts";
import type { GradeReport, ProbeResult } from "../grade/types.ts";
import type { Plan, PlannedProbe, PlannedTask } from "../plan/types.ts";
import { probeKinds } from "../probes/registry.ts";
import { rerunCommand } from "../probes/rerun.ts";
import { runProbes, type RanProbe } from "../probes/scheduler.ts";
import type { ProbeContext, ProbeKind } from "../probes/types.ts";
import type { Cluster } from "../providers/types.ts";
import type { RunContext } from "./context.ts";
import { explainFailures } from "./explain-failures.ts";
import { createLens, type Lens } from "./lens.ts";
import { stableNames } from "./pod-owner.ts";
import { enforcementGap, resolveCells } from "./resolve-cells.ts";
import { mergeSecondTry, probesToRepeat, unsteadyCells } from "./second-try.ts";

/** One SYN retransmit (RFC 6298: 1 s) and a little: before it, loss would look like a block. */
const deadlineMs = 1100;
const mostUnsteadyNamed = 5;

/** What is probed, and what is known from before. */
export interface ProbingRequest {
  plan: Plan;
  cluster: Cluster;
  probes: readonly PlannedProbe[];
  /** Empty where no points are counted. */
  tasks: readonly PlannedTask[];
  /** What answered earlier in this lab's life. */
  controls: readonly RecordedControl[];
  /** The untouched lab; absent where it was never probed. */
  baseline?: readonly BaselineCell[] | undefined;
  /** Only the cells between these two. */
  cell?: { from: string; to: string } | undefined;
  phase: "baseline" | "probe";
  /** What must be typed before a cell's own command, where the lab will be gone by then. */
  rerunPrefix?: string | undefined;
}

/** What was seen, judged, and what it leaves for later. */
export interface Probing {
  grade: GradeReport;
  /** Earlier ones with those of this time. */
  controls: RecordedControl[];
  /** For the record, when this was the untouched lab. */
  baseline: BaselineCell[];
}

/** Probes, once more where something unexpected was seen, and judges. Rejects only when the signal is aborted. */
export async function probeAndJudge(request: ProbingRequest, context: RunContext): Promise<Probing> {
  const { plan, cluster, controls } = request;
  const objects = await cluster.list();
  const lens = await createLens(plan, objects, cluster);
  const probeContext: ProbeContext = {
    plan,
    cluster,
    objects,
    signal: context.signal,
    deadlineMs,
    ...(request.cell === undefined ? {} : { cell: request.cell }),
  };
  const stableName = stableNames(objects);
  const at = context.now().toISOString();
  const judge = (ran: readonly RanProbe[]): { results: ProbeResult[]; grade: GradeReport } => {
    const results = attachBaseline(
      attachControls(
        ran.map((probe) => resolveProbe(probe, request, lens)),
        controls,
        at,
      ),
      request.baseline ?? [],
      stableName,
      (probe) => (request.rerunPrefix ?? "") + rerunCommand(plan.lab.name, probe),
    );
    const compareFigures = figureComparer(probeContext);
    return { results, grade: gradeProbes({ probes: results, tasks: request.tasks, compareFigures }) };
  };

  if (request.tasks.length > 0 && (request.baseline ?? []).length === 0) warnOfNoBaseline(context);
  const first = await runReporting(request.probes, probeContext, request.phase, context);
  let { results, grade } = judge(first);
  let ran = first;
  const repeat = probesToRepeat(grade.probes);
  if (repeat.size > 0) {
    const again = request.probes.filter(({ name }) => repeat.has(name));
    ran = mergeSecondTry(first, await runReporting(again, probeContext, request.phase, context), grade.probes);
    ({ results, grade } = judge(ran));
    warnOfUnsteady(unsteadyCells(first, ran), context);
  }
  return {
    grade: explainFailures(grade, ran, lens.live, solutionFiles(request.plan)),
    controls: mergeControls(controls, recordControls(results, at)),
    baseline: recordBaseline(grade.probes, stableName),
  };
}

function solutionFiles({ tasks }: Plan): Set<string> {
  return new Set(tasks.flatMap(({ solution }) => solution.map(({ file }) => file)));
}

async function runReporting(
  probes: readonly PlannedProbe[],
  probeContext: ProbeContext,
  phase: ProbingRequest["phase"],
  { emit }: RunContext,
): Promise<RanProbe[]> {
  let done = 0;
  return runProbes(probes, probeContext, {
    onProbe: ({ name }) => emit({ type: "progress", phase, message: name, done: ++done, total: probes.length }),
  });
}

function resolveProbe(ran: RanProbe, { plan, rerunPrefix = "" }: ProbingRequest, lens: Lens): ProbeResult {
  const { probe, cells: ranCells, ...result } = ran;
  const reruns = new Map(ranCells.map((cell) => [cell.key, rerunPrefix + cell.rerun]));
  const cells = resolveCells(probe, ranCells, {
    ...lens.reference,
    rerun: (_probe, { key }) => reruns.get(key) ?? "",
  });
  const notEnforceable = enforcementGap(plan.cni, cells);
  return { ...result, cells, ...(notEnforceable === undefined ? {} : { notEnforceable }) };
}

function figureComparer(context: ProbeContext) {
  return (kind: string, measured: Record<string, unknown>, expected: Record<string, unknown>): string | undefined => {
    const found = (probeKinds as unknown as Record<string, ProbeKind>)[kind];
    if (found?.compare === undefined) return `a ${kind} probe measures nothing that could be compared`;
    return found.compare(measured, expected, context);
  };
}

function warnOfNoBaseline({ emit }: RunContext): void {
  emit({
    type: "warning",
    warning: {
      code: "GRADE_WITHOUT_BASELINE",
      message: "what the untouched lab gave is not known, so nothing can be earned",
      hint: "the run record lacks it; `cnilab down` and `cnilab up` make it anew",
    },
  });
}

function warnOfUnsteady(cells: string[], { emit }: RunContext): void {
  if (cells.length === 0) return;
  const named = cells.slice(0, mostUnsteadyNamed).join("; ");
  const more = cells.length > mostUnsteadyNamed ? `; and ${cells.length - mostUnsteadyNamed} more` : "";
  emit({
    type: "warning",
    warning: {
      code: "PROBE_UNSTEADY",
      message: `what was seen changed between two tries: ${named}${more}`,
      hint: "the second try was judged; a change that takes effect late, or loss, looks like this",
    },
  });
}
