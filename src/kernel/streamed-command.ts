import { spawn, type ChildProcess } from "node:child_process";
import { closeSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import type { NetworkNamespace } from "./namespace.ts";
import { openPseudoTerminal, resizeTerminal } from "./pseudo-terminal.ts";
import type { SandboxOptions } from "./sandbox.ts";
import { killGroup, started, startWithStreams } from "./sandboxed-command.ts";

/** How a command ended; `exitCode` is null where its sandbox was killed. */
export interface StreamedEnd {
  exitCode: number | null;
  signal: string | null;
}

/** A sandboxed command whose streams are the kernel's: it waits where nobody reads what it writes. */
export interface StreamedCommand {
  /** Absent where it was not asked for; its end is the command's end of input, unless that has a terminal. */
  stdin: Writable | undefined;
  stdout: Readable;
  /** Absent on a terminal, where both are one. */
  stderr: Readable | undefined;
  /** The command's end; what it wrote before may still be unread. */
  ended: Promise<StreamedEnd>;
  /** Sets how large its terminal is; without one nothing happens. */
  resize(columns: number, rows: number): void;
  /** Ends it and all that it started; nothing happens after its end. */
  kill(): void;
}

export interface StreamedOptions {
  hasStdin: boolean;
  isTerminal: boolean;
}

/** Starts a command in a sandbox, with a terminal of its own if asked. Rejects with EXEC_NOT_STARTED. */
export async function startStreamed(
  namespace: NetworkNamespace,
  sandbox: SandboxOptions,
  argv: readonly string[],
  { hasStdin, isTerminal }: StreamedOptions,
): Promise<StreamedCommand> {
  if (isTerminal) return onTerminal(namespace, sandbox, argv, hasStdin);
  const child = startWithStreams(namespace, sandbox, argv, [hasStdin ? "pipe" : "ignore", "pipe", "pipe"]);
  const ended = endOf(child);
  await started(child, argv);
  return {
    stdin: child.stdin ?? undefined,
    stdout: child.stdout as Readable,
    stderr: child.stderr as Readable,
    ended,
    resize: () => undefined,
    kill: () => killGroup(child),
  };
}

/**
 * On a pseudo-terminal, with a cat(1) for each direction: Node's streams have no terminal's master that is written to without
 * blocking the thread, and a pipe waits for its reader by itself. setsid(1) makes the terminal the session's own,
 * so that ^C and jobs work.
 */
async function onTerminal(
  namespace: NetworkNamespace,
  sandbox: SandboxOptions,
  argv: readonly string[],
  hasStdin: boolean,
): Promise<StreamedCommand> {
  const { master, slave } = openPseudoTerminal();
  let isOpen = true;
  const carriers: ChildProcess[] = [];
  let child: ChildProcess | undefined;
  const kill = (): void => {
    if (child !== undefined) killGroup(child);
    for (const carrier of carriers) carrier.kill("SIGKILL");
  };
  try {
    child = startWithStreams(namespace, sandbox, ["setsid", "-c", ...argv], [slave, slave, slave]);
    const ended = endOf(child);
    const shown = spawn("cat", { stdio: [master, "pipe", "ignore"] });
    carriers.push(shown);
    const typed = hasStdin ? spawn("cat", { stdio: ["pipe", master, "ignore"] }) : undefined;
    if (typed !== undefined) carriers.push(typed);
    await Promise.all([started(child, argv), ...carriers.map((carrier) => started(carrier, ["cat"]))]);
    void ended.then(() => {
      isOpen = false;
      closeSync(master);
      typed?.kill("SIGKILL");
    });
    return {
      stdin: typed?.stdin ?? undefined,
      stdout: shown.stdout as Readable,
      stderr: undefined,
      ended,
      resize: (columns, rows) => {
        if (isOpen) resizeTerminal(master, columns, rows);
      },
      kill,
    };
  } catch (error) {
    kill();
    closeSync(master);
    throw error;
  } finally {
    closeSync(slave);
  }
}

function endOf(child: ChildProcess): Promise<StreamedEnd> {
  return new Promise((resolve) => {
    child.once("exit", (exitCode, signal) => resolve({ exitCode, signal }));
  });
}
