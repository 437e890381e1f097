import type { PlannedProbe } from "../plan/types.ts";
import type { RunContext } from "./context.ts";
import type { PhaseRunner } from "./phases.ts";
import { probeAndJudge } from "./probing.ts";
import { provision, type Provisioned } from "./provision.ts";
import { planLab, readLab, type LabRequest } from "./read-lab.ts";
import { applyScenario } from "./scenario.ts";
import type { UndoStack } from "./undo.ts";

/**
 * The phases that `up` and `run` share: load, plan, provision, scenario, baseline. `needsBaseline` says for a lab without
 * tasks whether to probe it now: what answers before a learner's change is what a later silence is held against.
 */
export async function bringUp(
  request: LabRequest,
  { needsBaseline }: { needsBaseline: boolean },
  phases: PhaseRunner,
  undo: UndoStack,
): Promise<Provisioned> {
  const { context } = phases;
  const read = await phases.run("load", `read ${request.lab}`, () => readLab(request.lab));
  const { plan, warnings } = await phases.run("plan", "plan", () => Promise.resolve(planLab(read, request)));
  for (const warning of warnings) context.emit({ type: "warning", warning });

  const { nodes } = plan.topology;
  const lab = await phases.run("provision", `make ${nodes.length} nodes with ${plan.cni.name}`, () =>
    provision(plan, undo, context),
  );
  if (plan.scenario.length > 0) {
    await phases.run("scenario", "apply the scenario", () => applyScenario(plan, lab.cluster, context));
  }
  if (plan.tasks.length > 0 || needsBaseline) {
    await phases.run("baseline", "probe the untouched lab", () => takeBaseline(lab, context));
  }
  return lab;
}

/** Bandwidth says nothing of who may reach whom, and takes longer than all the rest. */
function isForBaseline(probe: PlannedProbe, taskProbes: ReadonlySet<string>): boolean {
  return probe.kind !== "iperf" || taskProbes.has(probe.name);
}

async function takeBaseline(lab: Provisioned, context: RunContext): Promise<void> {
  const { plan, cluster, record } = lab;
  const taskProbes = new Set(plan.tasks.flatMap(({ probes }) => probes));
  const { controls, baseline } = await probeAndJudge(
    {
      plan,
      cluster,
      probes: plan.probes.filter((probe) => isForBaseline(probe, taskProbes)),
      tasks: [],
      controls: record.controls,
      phase: "baseline",
    },
    context,
  );
  record.controls = controls;
  if (plan.tasks.length > 0) record.baseline = baseline;
}
