import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { asError } from "../../../core/as-error.ts";
import { formatDurationMs } from "../../../core/duration.ts";
import { LabError } from "../../../core/errors.ts";
import { makeVisible } from "../../../core/visible-text.ts";
import { openRemotes } from "../../../exec/ssh/remote.ts";
import type { Remote } from "../../../exec/ssh/types.ts";
import type { PlannedMachine } from "../../../plan/types.ts";
import { targetOf } from "../machines.ts";
import { VM_FILES, type Accelerator } from "./arguments.ts";
import { lastLines, processesOf } from "./processes.ts";
import { nodeFolder, readVmState, vmsFolder } from "./state.ts";

/** From its start until it is set up; an emulated machine with a large system takes some minutes. */
const BOOTS_MS: Readonly<Record<Accelerator, number>> = { kvm: 180_000, tcg: 900_000 };
/** A machine whose sshd does not run yet refuses at once. */
const BETWEEN_TRIES_MS = 250;

/** What is expected of a machine that is not up yet. */
const BOOTING = new Set(["SSH_UNREACHABLE", "REMOTE_LOST", "REMOTE_TIMEOUT"]);

/**
 * Resolves when a virtual machine lets us in and cloud-init has done what the seed says; with the milliseconds that took. Rejects with
 * VM_ENDED, VM_NO_LOGIN, VM_CLOUD_INIT, SSH_…
 */
export async function awaitVm(
  machine: PlannedMachine,
  { stateDirectory, accelerator, signal }: { stateDirectory: string; accelerator: Accelerator; signal: AbortSignal },
): Promise<number> {
  const began = performance.now();
  const own = readVmState(stateDirectory)?.processes.find(({ folder }) => folder === nodeFolder(machine.node));
  const consoleFile = join(vmsFolder(stateDirectory), nodeFolder(machine.node), VM_FILES.console);
  const lastWords = (): string => makeVisible(lastLines(consoleFile));
  const remote = await firstLogin(machine, {
    signal,
    deadline: began + BOOTS_MS[accelerator],
    hasEnded: () => processesOf([own?.uuid ?? ""]).length === 0,
    lastWords,
  });
  try {
    const timeoutMs = Math.max(1, began + BOOTS_MS[accelerator] - performance.now());
    const { exitCode, stdout } = await remote.run(["cloud-init", "status", "--wait", "--long"], { timeoutMs, signal });
    // 2: it went on in spite of errors, which are the image's (cloud-init status, since 23.4).
    if (exitCode !== 0 && exitCode !== 2) {
      const message = `virtual machine ${machine.node} is not set up: ${makeVisible(stdout.trim())}`;
      throw new LabError("VM_CLOUD_INIT", message, { hint: "does its image start by itself? its console says more" });
    }
  } finally {
    await remote.close();
  }
  return performance.now() - began;
}

async function firstLogin(
  machine: PlannedMachine,
  {
    signal,
    deadline,
    hasEnded,
    lastWords,
  }: { signal: AbortSignal; deadline: number; hasEnded: () => boolean; lastWords: () => string },
): Promise<Remote> {
  const began = performance.now();
  let last = "";
  while (performance.now() < deadline) {
    signal.throwIfAborted();
    if (hasEnded()) {
      const message = `virtual machine ${machine.node} ended while it started; its console's last lines:\n${lastWords()}`;
      throw new LabError("VM_ENDED", message);
    }
    try {
      const [remote] = await openRemotes([targetOf(machine)], { signal });
      if (remote !== undefined) return remote;
    } catch (error) {
      if (!(error instanceof LabError) || !BOOTING.has(error.code)) throw error;
      last = asError(error).message;
    }
    await delay(BETWEEN_TRIES_MS, undefined, { signal });
  }
  const took = formatDurationMs(performance.now() - began);
  const message = `virtual machine ${machine.node} lets nobody in after ${took}: ${last}; its console's last lines:\n${lastWords()}`;
  throw new LabError("VM_NO_LOGIN", message, { hint: "the image needs cloud-init with NoCloud, and sshd" });
}
