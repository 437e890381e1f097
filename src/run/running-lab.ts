import type { AttachedLab } from "./attach-lab.ts";
import { attachLab } from "./attach-lab.ts";
import type { RunContext } from "./context.ts";
import { findKnownLab } from "./find-lab.ts";
import { lockLab } from "./lab-lock.ts";
import { stampRecord, writeRecord } from "./record.ts";

/**
 * Works on a running lab that no other command changes meanwhile, and keeps what `act` changed in its record. Throws
 * LAB_NOT_RUNNING and LAB_BUSY.
 */
export async function withRunningLab<T>(
  argument: string,
  context: RunContext,
  act: (lab: AttachedLab) => Promise<T>,
): Promise<T> {
  const name = findKnownLab(context.stateRoot, argument);
  const lock = lockLab(context.stateRoot, name);
  try {
    const lab = await attachLab(name, context);
    try {
      const result = await act(lab);
      stampRecord(lab.record, context.now());
      await writeRecord(context.stateRoot, lab.record);
      return result;
    } finally {
      await lab.cluster.close();
    }
  } finally {
    lock.release();
  }
}
