import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { processStat } from "../../exec/process-stat.ts";

/** When a process began, as text; undefined where there is no such process. */
function startOf(pid: number): string | undefined {
  return processStat(pid)?.startTime.toString();
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
