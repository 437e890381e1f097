import { LabError } from "../core/errors.ts";
import type { Plan, PlannedObject, PlannedStep } from "../plan/types.ts";
import type { Cluster } from "../providers/types.ts";
import type { ScenarioKind } from "../scenarios/types.ts";
import type { PlacedLab } from "./bring-up.ts";
import type { RunContext } from "./context.ts";
import { registries } from "./registries.ts";
import { watchEnforcement } from "./watch-enforcement.ts";

/** How long a change may take until the data plane shows it. */
export const settleTimeoutMs = 30_000;
const defaultReadyMs = 60_000;

/**
 * Applies the lab's steps in their order; resolves when the last one's effect is in the data plane. A failed step's error
 * names its place in the lab file.
 */
export async function applyScenario(plan: Plan, cluster: Cluster, context: RunContext): Promise<void> {
  for (const [index, step] of plan.scenario.entries()) {
    context.signal.throwIfAborted();
    const message = `step ${index + 1}, ${step.kind}`;
    context.emit({ type: "progress", phase: "scenario", message, done: index + 1, total: plan.scenario.length });
    try {
      await kindOf(step).run(step.options, step.objects, {
        plan,
        cluster,
        signal: context.signal,
        progress: (text) => context.emit({ type: "progress", phase: "scenario", message: text }),
      });
    } catch (error) {
      throw withPlace(error, step);
    }
  }
  await cluster.settle({ timeoutMs: settleTimeoutMs });
}

/** Applies the reference solutions of all tasks; resolves when what they make is ready and in effect. */
export async function applySolutions(lab: PlacedLab, context: RunContext): Promise<void> {
  const { plan, cluster } = lab;
  const objects = plan.tasks.flatMap(({ solution }) => solution);
  if (objects.length === 0) {
    throw new LabError("LAB_NO_SOLUTION", `lab ${plan.lab.name} has no task with a solution`, {
      hint: "run it without --solution",
    });
  }
  const apply = objects.map(({ object }) => object);
  await watchEnforcement(lab, { apply, delete: [] }, context, () => cluster.apply(apply));
  await untilReady(objects, cluster, context.signal);
}

/** What a workload is waited for until it is ready. */
const READY_CONDITIONS: Readonly<Record<string, string>> = {
  Deployment: "available",
  StatefulSet: "ready",
  DaemonSet: "ready",
};

/** Resolves when the workloads among these are ready and everything is in effect. */
export async function untilReady(
  objects: readonly PlannedObject[],
  cluster: Cluster,
  signal: AbortSignal,
  readyTimeoutMs = defaultReadyMs,
): Promise<void> {
  for (const { object } of objects) {
    const condition = Object.hasOwn(READY_CONDITIONS, object.kind) ? READY_CONDITIONS[object.kind] : undefined;
    if (condition === undefined) continue;
    const ref = { kind: object.kind, namespace: object.metadata.namespace ?? "default", name: object.metadata.name };
    await cluster.wait({ kind: "condition", ref, condition }, { timeoutMs: readyTimeoutMs, signal });
  }
  await cluster.settle({ timeoutMs: settleTimeoutMs });
}

function kindOf(step: PlannedStep): ScenarioKind {
  const kind = registries.scenarios[step.kind];
  if (kind === undefined)
    throw new LabError("RECORD_UNKNOWN_STEP", `there is no scenario step ${JSON.stringify(step.kind)}`);
  return kind;
}

function withPlace(error: unknown, { kind, span }: PlannedStep): unknown {
  if (!(error instanceof LabError) || error.span !== undefined || span === undefined) return error;
  return new LabError(error.code, `step ${kind}: ${error.message}`, { hint: error.hint, span, cause: error });
}
