import { recordBaseline, type BaselineCell } from "../grade/baseline.ts";
import { mergeControls, recordControls, type RecordedControl } from "../grade/controls.ts";
import type { GradeReport, JudgedCell } from "../grade/types.ts";
import type { KubeObject } from "../kube/types.ts";
import type { Plan, PlannedProbe, PlannedTask } from "../plan/types.ts";
import type { RanProbe } from "../probes/scheduler.ts";
import type { Cluster } from "../providers/types.ts";
import { aroundFault } from "./around-fault.ts";
import type { RunContext } from "./context.ts";
import { addLayers } from "./broken-layers.ts";
import { explainFailures } from "./explain-failures.ts";
import type { EnforcementRecord } from "./enforcement-record.ts";
import { enforcementProbes } from "./watch-enforcement.ts";
import { addIngressEvidence } from "./ingress-evidence.ts";
import { addNodeEvidence } from "./node-evidence.ts";
import { ProbeBench } from "./probe-bench.ts";
import type { HintTaken } from "./record.ts";
import { isRepeated, isTimed, timedFaults } from "./timed-probes.ts";
import { untilExpected } from "./until-expected.ts";

/** How often an ordinary probe with `within` is tried: so often are the requests sent that stand in it, at most. */
const roundMs = 1000;

/** What is probed, and what is known from before. */
export interface ProbingRequest {
  plan: Plan;
  cluster: Cluster;
  /** As they are now; absent: they are asked for. */
  objects?: readonly KubeObject[] | undefined;
  probes: readonly PlannedProbe[];
  /** Empty where no points are counted. */
  tasks: readonly PlannedTask[];
  /** Whose costs are taken off the points. */
  hintsTaken?: readonly HintTaken[] | undefined;
  /** What answered earlier in this lab's life. */
  controls: readonly RecordedControl[];
  /** The untouched lab; absent where it was never probed. */
  baseline?: readonly BaselineCell[] | undefined;
  /** What watched changes of policies showed; absent: none was watched. */
  enforcement?: EnforcementRecord | undefined;
  /** Only the cells between these two. */
  cell?: { from: string; to: string } | undefined;
  phase: "baseline" | "probe";
  /** Nobody reads why a cell failed: nodes are not asked for what they show. */
  isVerdictOnly?: boolean;
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

/**
 * Probes, once more where something unexpected was seen, and judges: the ordinary probes first, those with a time after the
 * others, then fault by fault those that ask for its time. No fault of theirs is left. Rejects when the signal is aborted, and where a fault cannot be made or restored.
 */
export async function probeAndJudge(request: ProbingRequest, context: RunContext): Promise<Probing> {
  const { plan, probes } = request;
  if (request.tasks.length > 0 && (request.baseline ?? []).length === 0) warnOfNoBaseline(context);
  const bench = await ProbeBench.open(request, context);
  const ordinary = probes.filter((probe) => !isTimed(probe));
  const found = await bench.runTwice(ordinary.filter((probe) => !isRepeated(probe)));
  const beganMs = context.monotonicMs();
  const elapsedMs = (): number => context.monotonicMs() - beganMs;
  found.push(...(await untilExpected(ordinary.filter(isRepeated), bench, elapsedMs, roundMs)));
  for (const timed of timedFaults(plan, probes)) found.push(...(await aroundFault(timed, bench)));
  const ran = probes.flatMap(({ name }) => found.find((each) => each.name === name) ?? []);
  const { results, grade } = bench.judge(ran);
  const files = solutionFiles(plan);
  const watched = new Set(enforcementProbes(plan).map(({ name }) => name));
  // What was seen of a change that is over is no answer of now.
  const probed = results.filter(({ name }) => !watched.has(name));
  const explained = explainFailures(grade, ran, (probe) => bench.lensOf(probe).live, files);
  // The nodes no longer have what a fault did.
  const ofNow = ran.filter(({ phase }) => phase?.when !== "during");
  return {
    grade:
      request.phase === "probe" && request.isVerdictOnly !== true
        ? await askNodes(explained, ofNow, request, context)
        : explained,
    controls: mergeControls(request.controls, recordControls(probed, bench.at)),
    baseline: withoutChange(
      recordBaseline(grade.probes, (end) => bench.nameOf(end)),
      watched,
    ),
  };
}

/** In an untouched lab nobody has changed a policy: that nothing of it was measured is no question left open. */
function withoutChange(baseline: readonly BaselineCell[], watched: ReadonlySet<string>): BaselineCell[] {
  return baseline.map((cell) => (watched.has(cell.probe) ? { ...cell, passed: false } : cell));
}

/** Of the untouched lab nobody reads why its goals fail. */
async function askNodes(
  grade: GradeReport,
  ran: readonly RanProbe[],
  { cluster, plan, phase }: ProbingRequest,
  { emit, signal }: RunContext,
): Promise<GradeReport> {
  const onFlow = ({ key: { from, to } }: JudgedCell): void =>
    emit({ type: "progress", phase, message: `what the nodes show of ${from} → ${to}` });
  const told = await addIngressEvidence(grade, ran, { cluster, plan });
  const shown = await addNodeEvidence(told, ran, cluster, { signal, onFlow });
  const onLayer = ({ key: { from, to } }: JudgedCell): void =>
    emit({ type: "progress", phase, message: `where ${from} → ${to} stopped` });
  return addLayers(shown, ran, { cluster, plan }, { signal, onFlow: onLayer });
}

function solutionFiles({ tasks }: Plan): Set<string> {
  return new Set(tasks.flatMap(({ solution }) => solution.map(({ file }) => file)));
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
