import { readdirSync, readFileSync } from "node:fs";

/** Variable by which kind, and every docker command that it starts, can be found again: its value is the lab's owner. */
export const OWNER_VARIABLE = "CNILAB_KIND_OWNER";

/**
 * SIGKILL to every process that carries the owner's mark, whoever started it and in whatever group it is: a kind that outlives
 * a killed run would go on making what is being removed. Returns how many there were. Does nothing where there is no /proc.
 */
export function killMarked(owner: string, proc = "/proc"): number {
  const mark = `${OWNER_VARIABLE}=${owner}`;
  let killed = 0;
  // Those that are killed may just have started others.
  for (let found = true; found;) {
    found = false;
    for (const pid of processIds(proc)) {
      if (!environmentOf(pid, proc).includes(mark)) continue;
      try {
        process.kill(pid, "SIGKILL");
        killed += 1;
        found = true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    }
  }
  return killed;
}

function processIds(proc: string): number[] {
  try {
    return readdirSync(proc)
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => pid !== process.pid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Empty for processes of other users, zombies and those that just ended. */
function environmentOf(pid: number, proc: string): string[] {
  try {
    return readFileSync(`${proc}/${pid}/environ`, "utf8").split("\0");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH" || code === "EACCES" || code === "EPERM") return [];
    throw error;
  }
}
