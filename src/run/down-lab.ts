import type { RunContext } from "./context.ts";
import { lockLab } from "./lab-lock.ts";
import { removeLeftovers } from "./leftovers.ts";
import { PhaseRunner } from "./phases.ts";
import { readRecord, writeRecord } from "./record.ts";
import { listLabNames } from "./state-directory.ts";

/**
 * Removes a lab by its name: what runs and what is on disk, without the lab file, whatever state its record is in.
 * Idempotent; `removed` is false when there was nothing. Throws LAB_BUSY, or what the provider throws.
 */
export async function downLab(name: string, context: RunContext): Promise<{ removed: boolean }> {
  const { stateRoot } = context;
  const phases = new PhaseRunner(context);
  const lock = lockLab(stateRoot, name);
  try {
    const finding = readRecord(stateRoot, name);
    if (finding.kind === "found") {
      await writeRecord(stateRoot, { ...finding.record, state: "stopping", updatedAt: context.now().toISOString() });
    }
    if (finding.kind === "unreadable") {
      const hint = "the lab is removed all the same";
      context.emit({ type: "warning", warning: { code: "RECORD_UNREADABLE", message: finding.reason, hint } });
    }
    const result = await phases.runToEnd("down", `remove ${name}`, () =>
      removeLeftovers(stateRoot, name, finding, {
        onlyIfDead: false,
        tell: (warning) => context.emit({ type: "warning", warning }),
      }),
    );
    return { removed: result === "removed" };
  } finally {
    lock.release();
  }
}

/** Names of all labs with run state, for `down --all`. */
export function knownLabs(context: RunContext): string[] {
  return listLabNames(context.stateRoot);
}
