import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Parts of /proc/PID/stat (proc_pid_stat(5)). */
export interface ProcessStat {
  name: string;
  state: string;
  parent: number;
  /** Clock ticks after boot. */
  startTime: number;
}

/** The parts of /proc/PID/stat that name a process; the program's name may hold spaces and brackets. */
export function parseStat(text: string): ProcessStat {
  const open = text.indexOf("(");
  const close = text.lastIndexOf(")");
  const fields = text.slice(close + 2).split(" ");
  return {
    name: text.slice(open + 1, close),
    state: fields[0] ?? "",
    parent: Number(fields[1]),
    startTime: Number(fields[19]),
  };
}

/** A file's text; undefined where it, or the process that it is about, is not there any more: one may end at any moment. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return undefined;
    throw error;
  }
}

/** Of whatever has that number, also where it has ended and nobody has taken leave of it; undefined where nothing has. */
export function processStat(pid: number, proc = "/proc"): ProcessStat | undefined {
  const text = readIfThere(join(proc, String(pid), "stat"));
  return text === undefined ? undefined : parseStat(text);
}
