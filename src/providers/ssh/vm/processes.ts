import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { LabError } from "../../../core/errors.ts";
import { processStat, readIfThere } from "../../../exec/process-stat.ts";
import { VM_FILES } from "./arguments.ts";
import { askQmp } from "./qmp.ts";

const STARTS_MS = 30_000;
const ENDS_MS = 10_000;
const AGAIN_MS = 20;

/** Processes of this host with one of these ids as an argument of their own (proc(5), cmdline); the id is random and written down before. */
export function processesOf(uuids: readonly string[]): number[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    const words = wordsOf(name);
    return words.some((word, index) => word === "-uuid" && uuids.includes(words[index + 1] ?? ""))
      ? [Number(name)]
      : [];
  });
}

/** None where it ended meanwhile. */
function wordsOf(pid: string): string[] {
  return readIfThere(`/proc/${pid}/cmdline`)?.split("\0") ?? [];
}

/** Or all of its threads have ended, and nobody has taken leave of it yet (proc(5), stat). */
function isGone(pid: number): boolean {
  const stat = processStat(pid);
  if (stat?.state !== "Z") return stat === undefined;
  try {
    return readdirSync(`/proc/${pid}/task`).length === 1;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return true;
    throw error;
  }
}

/**
 * Starts QEMU in a folder, for longer than this process lives; resolves when it answers by QMP. Rejects with VM_NOT_STARTED, which has
 * what it said; the process may run then, and {@link endProcesses} ends it.
 */
export async function startProcess(
  program: string,
  args: readonly string[],
  { folder, what, signal }: { folder: string; what: string; signal: AbortSignal },
): Promise<void> {
  signal.throwIfAborted();
  const log = openSync(join(folder, VM_FILES.log), "a", 0o600);
  let ended: string | undefined;
  try {
    const child = spawn(program, args, { cwd: folder, detached: true, stdio: ["ignore", log, log] });
    child.on("error", (error) => {
      ended = error.message;
    });
    child.on("exit", (code, endedBy) => {
      ended = endedBy ?? `exit code ${code}`;
    });
    child.unref();
  } finally {
    closeSync(log);
  }
  const began = performance.now();
  while (!(await answers(folder))) {
    signal.throwIfAborted();
    if (ended !== undefined) throw notStarted(what, folder, ended);
    if (performance.now() - began > STARTS_MS)
      throw notStarted(what, folder, `it does not answer in ${STARTS_MS / 1000} s`);
    await delay(AGAIN_MS);
  }
}

/** A process that ends while it is asked does not answer. */
async function answers(folder: string): Promise<boolean> {
  try {
    return (await askQmp(folder, { execute: "query-status" })) !== undefined;
  } catch (error) {
    if (error instanceof LabError) return false;
    throw error;
  }
}

function notStarted(what: string, folder: string, reason: string): LabError {
  const said = lastLines(join(folder, VM_FILES.log));
  return new LabError("VM_NOT_STARTED", `${what} does not start: ${said === "" ? reason : said}`);
}

/** Of a log; empty where there is none. */
export function lastLines(file: string): string {
  try {
    return readFileSync(file, "utf8").trim().split("\n").slice(-5).join("\n");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

/** SIGKILL: their disks go with them. Resolves when they are gone, with their ports and files; rejects with VM_NOT_ENDED. */
export async function endProcesses(uuids: readonly string[]): Promise<void> {
  const began = performance.now();
  const seen = new Set<number>();
  for (;;) {
    // One that is ending has no arguments any more, and still has its sockets.
    for (const pid of processesOf(uuids)) seen.add(pid);
    const pids = [...seen].filter((pid) => !isGone(pid));
    if (pids.length === 0) return;
    if (performance.now() - began > ENDS_MS) {
      throw new LabError("VM_NOT_ENDED", `virtual machines do not end: process ${pids.join(", ")}`);
    }
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    }
    await delay(AGAIN_MS);
  }
}
