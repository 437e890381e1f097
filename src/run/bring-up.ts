import type { BaselineCell } from "../grade/baseline.ts";
import type { Plan, PlannedProbe } from "../plan/types.ts";
import { labOrBundled } from "./bundle-labs.ts";
import type { RunContext } from "./context.ts";
import type { LabLock } from "./lab-lock.ts";
import type { PhaseRunner } from "./phases.ts";
import { probeAndJudge } from "./probing.ts";
import { provision, type Provisioned, type ProvisionOptions } from "./provision.ts";
import { planLab, readLab, type LabRequest } from "./read-lab.ts";
import { applyScenario } from "./scenario.ts";
import type { UndoStack } from "./undo.ts";
import { isRepeated, isTimed } from "./timed-probes.ts";

/** A lab's cluster with its plan and record, whoever brought it up. */
export type PlacedLab = Pick<Provisioned, "plan" | "cluster" | "record">;

export interface BringUpOptions extends Pick<ProvisionOptions, "keepFailed" | "force">, SceneOptions {}

/** How the untouched lab is looked at. */
export interface SceneOptions {
  needsBaseline: boolean;
  /** What the same lab gave untouched elsewhere: of probes that are repeated, which take all their time to fail, that is taken over. */
  known?: readonly BaselineCell[] | undefined;
}

/**
 * The phases that `up` and `run` share: load, plan, provision, scenario, baseline. `needsBaseline` says for a lab without
 * tasks whether to probe it now: what answers before a learner's change is what a later silence is held against.
 * `keepFailed`: as {@link provision} has it, for every phase.
 */
export async function bringUp(
  request: LabRequest,
  options: BringUpOptions,
  phases: PhaseRunner,
  undo: UndoStack,
): Promise<Provisioned> {
  const { context } = phases;
  const read = await phases.run("load", `read ${request.lab}`, async () =>
    readLab(await labOrBundled(request.lab, context)),
  );
  const { plan, warnings } = await phases.run("plan", "plan", () => Promise.resolve(planLab(read, request)));
  for (const warning of warnings) context.emit({ type: "warning", warning });

  return bringUpPlan(plan, options, phases, undo);
}

/** The phases of {@link bringUp} that follow the plan. */
export async function bringUpPlan(
  plan: Plan,
  { needsBaseline, known, ...options }: BringUpOptions,
  phases: PhaseRunner,
  undo: UndoStack,
  lock?: LabLock,
): Promise<Provisioned> {
  const { nodes } = plan.topology;
  const lab = await phases.run("provision", `make ${nodes.length} nodes with ${plan.cni.name}`, () =>
    provision(plan, undo, phases.context, lock, options),
  );
  await setScene(lab, { needsBaseline, known }, phases);
  return lab;
}

/** Applies the plan's scenario to a cluster that has nothing of a lab in it, and keeps in the record what answers then. */
export async function setScene(
  lab: PlacedLab,
  { needsBaseline, known = [] }: SceneOptions,
  phases: PhaseRunner,
): Promise<void> {
  const { plan, cluster } = lab;
  const { context } = phases;
  if (plan.scenario.length > 0) {
    await phases.run("scenario", "apply the scenario", () => applyScenario(plan, cluster, context));
  }
  if (plan.tasks.length > 0 || needsBaseline) {
    await phases.run("baseline", "probe the untouched lab", () => takeBaseline(lab, known, context));
  }
}

/** Neither bandwidth, nor what a fault does, nor what comes in time says who may reach whom, and all take longer than the rest. */
function isForBaseline(probe: PlannedProbe, taskProbes: ReadonlySet<string>): boolean {
  return (probe.kind !== "iperf" && !isTimed(probe) && !isRepeated(probe)) || taskProbes.has(probe.name);
}

async function takeBaseline(lab: PlacedLab, known: readonly BaselineCell[], context: RunContext): Promise<void> {
  const { plan, cluster, record } = lab;
  const taskProbes = new Set(plan.tasks.flatMap(({ probes }) => probes));
  const repeated = new Set(plan.probes.filter(isRepeated).map(({ name }) => name));
  const kept = known.filter(({ probe }) => repeated.has(probe));
  const isKept = ({ name }: PlannedProbe): boolean => kept.some(({ probe }) => probe === name);
  const { controls, baseline } = await probeAndJudge(
    {
      plan,
      cluster,
      probes: plan.probes.filter((probe) => isForBaseline(probe, taskProbes) && !isKept(probe)),
      tasks: [],
      controls: record.controls,
      phase: "baseline",
    },
    context,
  );
  record.controls = controls;
  if (plan.tasks.length > 0) record.baseline = [...baseline, ...kept];
}
