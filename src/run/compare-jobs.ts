import pLimit from "p-limit";
import { asError } from "../core/as-error.ts";
import type { Plan } from "../plan/types.ts";
import type { LabState, Variant } from "../report/compare-types.ts";
import { setScene } from "./bring-up.ts";
import { captureRun, type CapturedRun } from "./compare-capture.ts";
import type { RunContext } from "./context.ts";
import { PhaseRunner } from "./phases.ts";
import { prefixedContext } from "./prefixed-context.ts";
import { probeAndJudge } from "./probing.ts";
import { provision, providerNamed, remove, type Provisioned } from "./provision.ts";
import { clusterKey, reuseCluster } from "./reuse-cluster.ts";
import { applySolutions } from "./scenario.ts";
import { UndoStack } from "./undo.ts";

/** A lab to be run on one variant. */
export interface CompareJob {
  plan: Plan;
  variant: Variant;
  /** In this order; `solved` only where there is a solution. */
  states: readonly LabState[];
}

/** What became of a job: its grades, in the order of its states, or what was thrown. */
export type JobResult = { runs: CapturedRun[] } | { error: unknown };

export interface JobResults {
  results: Map<CompareJob, JobResult>;
  /** Labs that were graded and could not be removed. */
  failures: Error[];
}

/** Where clusters come from; by default the providers. */
export interface ClusterMaker {
  canReset(plan: Plan): boolean;
  /** `laterPlans` are to follow on the same cluster. */
  make(plan: Plan, undo: UndoStack, context: RunContext, laterPlans: readonly Plan[]): Promise<Provisioned>;
  remove(lab: Provisioned, context: RunContext): Promise<void>;
}

const byProvider: ClusterMaker = {
  canReset: ({ provider }) => providerNamed(provider).capabilities().features.includes("reset"),
  make: (plan, undo, context, laterPlans) => provision(plan, undo, context, undefined, { laterPlans }),
  remove,
};

/**
 * Runs every job, those that can share a cluster one after another on it. `parallel` says how many clusters there may be
 * at once. A job that fails is told and does not stop the others; rejects only when interrupted, and then nothing is left.
 */
export async function runJobs(
  jobs: readonly CompareJob[],
  { parallel }: { parallel: number },
  context: RunContext,
  maker: ClusterMaker = byProvider,
): Promise<JobResults> {
  const groups = new Map<string, CompareJob[]>();
  for (const [index, job] of jobs.entries()) {
    const key = maker.canReset(job.plan) ? clusterKey(job.plan) : String(index);
    groups.set(key, [...(groups.get(key) ?? []), job]);
  }
  const all: JobResults = { results: new Map(), failures: [] };
  const limit = pLimit(parallel);
  const ended = await Promise.allSettled(
    [...groups.values()].map((group) => limit(() => runGroup(group, all, context, maker))),
  );
  for (const end of ended) if (end.status === "rejected") throw end.reason;
  return all;
}

/** A cluster, and how to take it away when something went wrong on it. */
interface Station {
  lab: Provisioned;
  undo: UndoStack;
}

async function runGroup(
  jobs: readonly CompareJob[],
  all: JobResults,
  context: RunContext,
  maker: ClusterMaker,
): Promise<void> {
  let station: Station | undefined;
  for (const [index, job] of jobs.entries()) {
    const phases = new PhaseRunner(titled(context, job));
    const undo: UndoStack = station?.undo ?? new UndoStack();
    try {
      const laterPlans = jobs.slice(index + 1).map(({ plan }) => plan);
      const lab =
        station === undefined
          ? await makeCluster({ ...job, laterPlans }, undo, phases, maker)
          : await takeOver(station.lab, job, phases);
      station = { lab, undo };
      all.results.set(job, { runs: await gradeStates(lab, job, phases) });
    } catch (error) {
      station = undefined;
      await undo.unwind().catch((failure: unknown) => all.failures.push(asError(failure)));
      if (context.signal.aborted) throw error;
      all.results.set(job, { error });
    }
    const { lab } = station ?? {};
    if (lab === undefined || index < jobs.length - 1) continue;
    await phases
      .runToEnd("down", `remove ${job.plan.lab.name}`, () => maker.remove(lab, context))
      .catch((failure: unknown) => all.failures.push(asError(failure)));
  }
}

async function makeCluster(
  { plan, variant, laterPlans }: CompareJob & { laterPlans: readonly Plan[] },
  undo: UndoStack,
  phases: PhaseRunner,
  maker: ClusterMaker,
): Promise<Provisioned> {
  const own: Plan = { ...plan, lab: { ...plan.lab, name: nameFor(plan.lab.name, variant) } };
  const { nodes } = plan.topology;
  const lab = await phases.run("provision", `make ${nodes.length} nodes with ${plan.cni.name}`, () =>
    maker.make(own, undo, phases.context, laterPlans),
  );
  await setScene(lab, { needsBaseline: false }, phases);
  return lab;
}

async function takeOver(made: Provisioned, { plan }: CompareJob, phases: PhaseRunner): Promise<Provisioned> {
  const { lab } = await phases.run("provision", "reset the cluster", () => reuseCluster(made, plan));
  await setScene(lab, { needsBaseline: false }, phases);
  return lab;
}

async function gradeStates(
  { cluster, record }: Provisioned,
  job: CompareJob,
  phases: PhaseRunner,
): Promise<CapturedRun[]> {
  const { plan, variant, states } = job;
  const { context } = phases;
  const runs: CapturedRun[] = [];
  let told = 0;
  for (const state of states) {
    if (state === "solved") {
      await phases.run("solution", "apply the reference solution", () =>
        applySolutions({ plan, cluster, record }, context),
      );
    }
    const objects = await cluster.list();
    const { probes, tasks } = plan;
    const { controls, baseline, enforcement } = record;
    const title = `run ${probes.length} ${probes.length === 1 ? "probe" : "probes"}${states.length > 1 ? `, ${state}` : ""}`;
    const probing = await phases.run("probe", title, () =>
      probeAndJudge({ plan, cluster, probes, tasks, controls, baseline, enforcement, phase: "probe" }, context),
    );
    record.controls = probing.controls;
    // Making the cluster belongs to the first state alone.
    const times = phases.times.slice(told).map(({ phase, durationMs }) => ({ phase, durationMs }));
    told = phases.times.length;
    runs.push(captureRun(plan, probing.grade, { objects, state, variant, phases: times }));
  }
  return runs;
}

/** Variants of a lab stand side by side, and beside the lab itself: each has a name of its own, 63 characters at most. */
function nameFor(lab: string, { cni, mode, provider }: Variant): string {
  return `${lab.slice(0, 32)}-${cni}-${mode}-${provider}`.slice(0, 63).replace(/-+$/, "");
}

function titled(outer: RunContext, { plan, variant }: CompareJob): RunContext {
  return prefixedContext(outer, `${plan.lab.name} on ${variant.cni}:${variant.mode}, ${variant.provider}: `);
}
