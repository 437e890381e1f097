import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";

/** When a process began, in clock ticks since boot (proc(5), field 22); undefined where there is no such process. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command's name, in parentheses, may hold anything.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return undefined;
    throw error;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** This process, in words that {@link isMakerAlive} understands on this machine later. */
export function thisMaker(): string {
  return `${hostname()}/${process.pid}/${startOf(process.pid) ?? ""}`;
}

/** Whether the process that made something still runs; one of another machine, behind the same engine, counts as alive. */
export function isMakerAlive(maker: string): boolean {
  const [host, pid, start] = maker.split("/");
  if (host !== hostname()) return true;
  if (!existsSync("/proc/self/stat")) return isRunning(Number(pid));
  return start !== undefined && startOf(Number(pid)) === start;
}
