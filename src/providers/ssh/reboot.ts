import { setTimeout as delay } from "node:timers/promises";
import { asError } from "../../core/as-error.ts";
import { formatDurationMs } from "../../core/duration.ts";
import { LabError } from "../../core/errors.ts";
import type { Machine } from "./machine-script.ts";

/** Between two tries: a machine that starts refuses at once. */
const BETWEEN_TRIES_MS = 250;
const ANSWER_MS = 10_000;

/** What is expected while a machine goes down and comes back. */
const AWAY = new Set(["SSH_UNREACHABLE", "REMOTE_LOST", "REMOTE_TIMEOUT"]);

export interface RebootOptions {
  /** Until the machine answers again; a server's firmware may take minutes. */
  timeoutMs: number;
  signal?: AbortSignal;
}

/**
 * Starts the machine anew by its systemd; resolves with the time it took when it answers again and has another boot id. Rejects
 * with MACHINE_NOT_BACK, which says how far it came, and with what else the connection may fail by, such as SSH_HOST_KEY.
 */
export async function rebootMachine(machine: Machine, { timeoutMs, signal }: RebootOptions): Promise<number> {
  const began = performance.now();
  const before = await bootOf(machine, signal);
  if (before === undefined) throw notBack(machine, "it does not say which start this is");
  try {
    const options = { sudo: true, timeoutMs: ANSWER_MS, ...(signal === undefined ? {} : { signal }) };
    const { exitCode, stderr } = await machine.remote.run(["systemctl", "reboot"], options);
    // A shutdown may end the command before it has said anything.
    if (exitCode !== 0 && exitCode !== null && stderr.trim() !== "")
      throw notBack(machine, `it does not restart: ${stderr.trim()}`);
  } catch (error) {
    if (!isAway(error)) throw error;
  }
  let last = "it still runs as before";
  while (performance.now() - began < timeoutMs) {
    signal?.throwIfAborted();
    try {
      const now = await bootOf(machine, signal);
      if (now !== undefined && now !== before) return performance.now() - began;
      last = now === undefined ? "it goes down" : "it still runs as before";
    } catch (error) {
      if (!isAway(error)) throw error;
      last = asError(error).message;
    }
    await delay(BETWEEN_TRIES_MS, undefined, signal === undefined ? {} : { signal });
  }
  throw notBack(machine, `after ${formatDurationMs(timeoutMs)}: ${last}`);
}

function isAway(error: unknown): boolean {
  return error instanceof LabError && AWAY.has(error.code);
}

function notBack({ name }: Machine, reason: string): LabError {
  return new LabError("MACHINE_NOT_BACK", `${name} is not back from its restart: ${reason}`, {
    hint: "look at its console; what the lab has on it stays until it answers",
  });
}

/**
 * The kernel's boot id (random(4)), and when the first process started: a container's kernel stays the same. Undefined where the
 * machine is on its way down.
 */
async function bootOf({ remote }: Machine, signal: AbortSignal | undefined): Promise<string | undefined> {
  const script = "cat /proc/sys/kernel/random/boot_id && sed 's/.*) //' /proc/1/stat | cut -d ' ' -f 20";
  const options = { timeoutMs: ANSWER_MS, ...(signal === undefined ? {} : { signal }) };
  const { exitCode, stdout } = await remote.run(["sh", "-c", script], options);
  return exitCode === 0 ? stdout : undefined;
}
