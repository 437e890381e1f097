import { closeSync } from "node:fs";
import { join } from "node:path";
import { LabError } from "../../core/errors.ts";
import { processStat, readIfThere } from "../../exec/process-stat.ts";
import { lockLab, PID_FILE } from "./launch.ts";

const DEADLINE_MS = 10_000;

/**
 * The lab process as the host numbers it, and the unshare(1) that waits for it and holds the lock, too: a stopped one
 * would not see its child die. A number may have been given to another process since: the lab's name its folder as an
 * argument.
 */
function labPids(stateDirectory: string): number[] {
  const pid = Number(readIfThere(join(stateDirectory, PID_FILE)) ?? 0);
  if (pid <= 0) return [];
  const parent = processStat(pid)?.parent ?? 0;
  return [pid, parent].filter(
    (each) => each > 0 && readIfThere(`/proc/${each}/cmdline`)?.split("\0").includes(stateDirectory) === true,
  );
}

function sendKill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/**
 * Ends a lab process by SIGKILL, which a hung one cannot refuse; the kernel then removes its namespaces and children.
 * Resolves with the lab's lock held, so that no other start gets between: call what it resolves to when the files are
 * gone. Rejects with LAB_STUCK after ten seconds.
 */
export async function killLab(stateDirectory: string): Promise<() => void> {
  const deadline = performance.now() + DEADLINE_MS;
  for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 50)) {
    const lock = lockLab(stateDirectory);
    if (lock !== undefined) return () => closeSync(lock);
    const pids = labPids(stateDirectory);
    for (const pid of pids) sendKill(pid);
    if (performance.now() > deadline) {
      throw new LabError("LAB_STUCK", `the lab process${pids.map((pid) => ` ${pid}`).join(",")} does not end`, {
        hint: `fuser -k ${join(stateDirectory, "lab.lock")}`,
      });
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}
