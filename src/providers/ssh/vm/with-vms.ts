import type { Plan } from "../../../plan/types.ts";
import { sharedSignal } from "../../../core/shared-signal.ts";
import { awaitVm } from "./await.ts";
import { endVms } from "./end.ts";
import { hasVms, makeVms, type MakeVmsOptions } from "./make.ts";

/**
 * The plan with its virtual machines made, running and set up, and the way to each; the same plan where it has none. On rejection
 * (VM_…, SSH_…) none is left.
 */
export async function withVms(plan: Plan, options: MakeVmsOptions): Promise<Plan> {
  if (!hasVms(plan)) return plan;
  const { stateDirectory, progress } = options;
  try {
    const { machines, accelerator } = await makeVms(plan, options);
    const failed = new AbortController();
    const signal = sharedSignal(AbortSignal.any([options.signal, failed.signal]));
    const boots = machines
      .filter(({ vm }) => vm !== undefined)
      .map(async (machine) => {
        try {
          const took = await awaitVm(machine, { stateDirectory, accelerator, signal });
          progress(`virtual machine ${machine.node} is set up after ${Math.round(took / 1000)} s`);
        } catch (error) {
          failed.abort(error);
          throw error;
        }
      });
    await Promise.allSettled(boots);
    signal.throwIfAborted();
    return { ...plan, machines };
  } catch (error) {
    await endVms(stateDirectory);
    throw error;
  }
}
