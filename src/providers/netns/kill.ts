import { closeSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LabError } from "../../core/errors.ts";
import { lockLab, PID_FILE } from "./launch.ts";

const DEADLINE_MS = 10_000;

/** The lab process as the host numbers it, if the file's number still is that process. */
function labPid(stateDirectory: string): number | undefined {
  try {
    const pid = Number(readFileSync(join(stateDirectory, PID_FILE), "utf8"));
    // A number may have been given to another process since: the lab's names its folder as an argument.
    const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return argv.includes(stateDirectory) ? pid : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT" || (error as NodeJS.ErrnoException).code === "ESRCH")
      return undefined;
    throw error;
  }
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
    const pid = labPid(stateDirectory);
    if (pid !== undefined) sendKill(pid);
    if (performance.now() > deadline) {
      throw new LabError("LAB_STUCK", `the lab process${pid === undefined ? "" : ` ${pid}`} does not end`, {
        hint: `fuser -k ${join(stateDirectory, "lab.lock")}`,
      });
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}
