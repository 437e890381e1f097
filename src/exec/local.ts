import { quoteWord } from "../core/shell-word.ts";

export interface LocalOptions {
  /** Added to this process's environment; undefined takes a variable out. */
  env?: Record<string, string | undefined>;
  /** An abort kills the program with everything that it started. */
  signal?: AbortSignal;
  /** Each line of stdout and stderr as it comes. */
  onLine?: (line: string) => void;
  /** Told as soon as the program runs; its process id is the id of its process group, too. */
  onStart?: (pid: number) => void;
}

export interface LocalResult {
  /** Undefined where a signal ended it. */
  exitCode: number | undefined;
  signal: string | undefined;
  /** Why it could not be started at all; the other fields then say nothing. */
  notStarted: string | undefined;
  /** All lines of stdout and stderr, in the order in which they came. */
  lines: string[];
  /** The command as it can be pasted into a shell, without the environment. */
  paste: string;
}

/**
 * Runs a program of this host to its end, whatever its exit code; rejects only with the signal's reason. The program leads a
 * process group of its own: a ctrl-C in the terminal does not reach it, its children end with it on abort.
 */
export async function runLocal(
  program: string,
  args: readonly string[],
  { env = {}, signal, onLine, onStart }: LocalOptions = {},
): Promise<LocalResult> {
  signal?.throwIfAborted();
  const { execa } = await import("execa");
  const running = execa(program, args, {
    reject: false,
    stdin: "ignore",
    all: true,
    buffer: false,
    // Its own group, see above; "cleanup" would kill the leader alone.
    detached: true,
    cleanup: false,
    env,
  });
  const kill = (): void => killProcessGroup(running.pid);
  signal?.addEventListener("abort", kill, { once: true });
  const lines: string[] = [];
  try {
    if (running.pid !== undefined) {
      onStart?.(running.pid);
      for await (const line of running.iterable({ from: "all" })) {
        lines.push(line);
        onLine?.(line);
      }
    }
    const { exitCode, signal: endedBy, originalMessage, pipedFrom: _ } = await running;
    signal?.throwIfAborted();
    return {
      exitCode,
      signal: endedBy,
      notStarted: running.pid === undefined ? (originalMessage ?? "it could not be started") : undefined,
      lines,
      paste: [program, ...args].map(quoteWord).join(" "),
    };
  } catch (error) {
    signal?.throwIfAborted();
    kill();
    throw error;
  } finally {
    signal?.removeEventListener("abort", kill);
  }
}

/** SIGKILL to a process group; nothing happens where there is none any more. */
export function killProcessGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
