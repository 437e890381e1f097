import { LabError } from "../core/errors.ts";
import { quoteWord } from "../core/shell-word.ts";
import { attachLab, type AttachedLab } from "./attach-lab.ts";
import { bringUpPlan, setScene } from "./bring-up.ts";
import type { RunContext } from "./context.ts";
import { refuseInExam } from "./exam/refuse-in-exam.ts";
import { findKnownLab } from "./find-lab.ts";
import { lockLab, type LabLock } from "./lab-lock.ts";
import { PhaseRunner, withUndo, type PhaseTime } from "./phases.ts";
import { keep, provision, providerNamed } from "./provision.ts";
import { startTiming, writeRecord, type RunRecord } from "./record.ts";
import { labDirectory, removeLabDirectory } from "./state-directory.ts";

export interface ResetRequest {
  lab: string;
  /** Stop before the scenario: nodes, CNI and cluster DNS only. */
  isBare: boolean;
}

/** A lab that is as it was. */
export interface ResetOutcome {
  name: string;
  /** What was removed or put back. */
  changes: string[];
  /** Until the cluster was as after CNI installation. */
  resetMs: number;
  durationMs: number;
  isBare: boolean;
  phases: PhaseTime[];
}

/**
 * Brings a running lab back to its untouched state: the cluster as after CNI installation, then scenario and baseline as
 * `up` does. What was graded, what answered before and which hints were taken is forgotten. Throws LAB_NOT_RUNNING, LAB_BUSY, RESET_NOT_POSSIBLE,
 * and what the provider and the scenario throw. A lab whose reset failed stays up without a baseline, or is gone where a
 * reset is a cluster made anew.
 */
export async function resetLab({ lab: argument, isBare }: ResetRequest, context: RunContext): Promise<ResetOutcome> {
  const { stateRoot } = context;
  const phases = new PhaseRunner(context);
  const name = findKnownLab(stateRoot, argument);
  const lock = lockLab(stateRoot, name);
  try {
    const lab = await attachLab(name, context);
    let done: { changes: string[]; resetMs: number } | undefined;
    try {
      refuseInExam(lab.record, "reset", context);
      done = await resetInPlace(lab, isBare, phases);
    } finally {
      await lab.cluster.close();
    }
    const { changes, resetMs } = done ?? (await remake(lab.record, isBare, phases, lock));
    return { name, changes, resetMs, durationMs: phases.elapsedMs(), isBare, phases: phases.times };
  } finally {
    lock.release();
  }
}

/** A record that knows nothing of what the cluster answered: that of a cluster as it was before its scenario. */
export function forgetAnswers(record: RunRecord): RunRecord {
  return {
    ...record,
    controls: [],
    baseline: undefined,
    lastGrade: undefined,
    enforcement: undefined,
    hintsTaken: undefined,
  };
}

/** {@link resetLab} by the cluster itself; undefined where it cannot. The caller holds the lock. */
export async function resetInPlace(
  { record: old, cluster }: AttachedLab,
  isBare: boolean,
  phases: PhaseRunner,
): Promise<{ changes: string[]; resetMs: number } | undefined> {
  const reset = cluster.reset?.bind(cluster);
  if (reset === undefined) return undefined;
  const { context } = phases;
  const record = forgetAnswers(old);
  // First of all: what answered before the reset must never speak for what is there after it, however far we get.
  await writeRecord(context.stateRoot, record);
  const { changes, durationMs } = await phases.run("provision", `reset ${record.lab}`, reset);
  if (!isBare) await setScene({ plan: record.plan, cluster, record }, { needsBaseline: true }, phases);
  const now = context.now();
  Object.assign(record, startTiming(record.plan, now), { updatedAt: now.toISOString() });
  await writeRecord(context.stateRoot, record);
  return { changes, resetMs: durationMs };
}

async function remake(
  { lab: name, plan, handle, provider: providerName }: RunRecord,
  isBare: boolean,
  phases: PhaseRunner,
  lock: LabLock,
): Promise<{ changes: string[]; resetMs: number }> {
  const { context } = phases;
  const again = `cnilab up ${quoteWord(plan.lab.file)}`;
  const provider = providerNamed(providerName);
  if (provider.isQuickToRemake !== true) {
    throw new LabError("RESET_NOT_POSSIBLE", `provider ${providerName} cannot bring a cluster back to its beginning`, {
      hint: `cnilab down ${name}, then ${again}`,
    });
  }
  await phases.runToEnd("down", `remove ${name}`, async () => {
    await provider.down(handle, labDirectory(context.stateRoot, name));
    removeLabDirectory(context.stateRoot, name);
  });
  try {
    await withUndo(context, async (undo) => {
      const lab = isBare
        ? await phases.run("provision", `make ${plan.topology.nodes.length} nodes`, () =>
            provision(plan, undo, context, lock),
          )
        : await bringUpPlan(plan, { needsBaseline: true }, phases, undo, lock);
      await keep(lab, context);
    });
  } catch (error) {
    const message = `lab ${name} was removed and could not be made anew: it is gone`;
    context.emit({ type: "warning", warning: { code: "RESET_LAB_GONE", message, hint: `${again} makes it` } });
    throw error;
  }
  const resetMs = phases.times
    .filter(({ phase }) => phase === "down" || phase === "provision")
    .reduce((sum, { durationMs }) => sum + durationMs, 0);
  return { changes: [`all ${plan.topology.nodes.length} nodes, removed and made anew`], resetMs };
}
