import { spawn } from "node:child_process";
import type { ChildProcess, StdioOptions } from "node:child_process";
import { LabError } from "../core/errors.ts";
import type { NetworkNamespace } from "./namespace.ts";
import { reapGroup } from "./processes.ts";
import { sandboxCommand, sendSeccompProgram } from "./sandbox.ts";
import type { SandboxOptions } from "./sandbox.ts";

/** What is kept of each stream; a tool that prints more is cut, and says so. */
const OUTPUT_LIMIT = 1 << 20;

/** How a command ended; `timedOut` where it was this program that ended it for its time. */
export interface CommandEnd {
  exitCode: number | null;
  signal: string | null;
  timedOut: boolean;
  stdout: string;
  stderr: string;
}

class Output {
  private readonly chunks: Buffer[] = [];
  private length = 0;

  take(stream: NodeJS.ReadableStream | null): void {
    stream?.on("data", (chunk: Buffer) => {
      if (this.length < OUTPUT_LIMIT) this.chunks.push(chunk.subarray(0, OUTPUT_LIMIT - this.length));
      this.length += chunk.length;
    });
  }

  text(): string {
    const text = Buffer.concat(this.chunks).toString("utf8");
    return this.length > OUTPUT_LIMIT ? `${text}\n[cut: ${this.length} bytes in all]\n` : text;
  }
}

/**
 * Starts a sandboxed command in a network namespace, where the child stays while this thread comes back. It leads a
 * process group of its own, which {@link killGroup} ends.
 */
export function startSandboxed(
  namespace: NetworkNamespace,
  sandbox: SandboxOptions,
  argv: readonly string[],
  stdin: "pipe" | "ignore",
): ChildProcess {
  return startWithStreams(namespace, sandbox, argv, [stdin, "pipe", "pipe"]);
}

/** {@link startSandboxed} with standard streams of the caller's choice, in their order. */
export function startWithStreams(
  namespace: NetworkNamespace,
  sandbox: SandboxOptions,
  argv: readonly string[],
  streams: readonly ["pipe" | "ignore" | number, "pipe" | number, "pipe" | number],
): ChildProcess {
  const [file = "", ...args] = sandboxCommand(argv, sandbox);
  const stdio: StdioOptions = [...streams, "pipe"];
  const child = namespace.enter(() => spawn(file, args, { stdio, detached: true }));
  sendSeccompProgram(child);
  // A sandbox whose outer half fails leaves the inner one waiting for it; and where this process is the first of its pid
  // namespace, what a command leaves behind becomes its child.
  child.once("exit", () => {
    killGroup(child);
    reapGroup(child.pid);
  });
  return child;
}

/** Kills the command and everything it started; nothing happens when all of it has ended. */
export function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Resolves once a command runs that {@link startSandboxed} has just started; rejects with EXEC_NOT_STARTED. */
export function started(child: ChildProcess, argv: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (cause) => {
      const hint =
        (cause as NodeJS.ErrnoException).code === "ENOENT" ? "bubblewrap (bwrap) is missing: cnilab doctor" : undefined;
      reject(
        new LabError("EXEC_NOT_STARTED", `${argv.join(" ")} could not be started: ${cause.message}`, { hint, cause }),
      );
    });
  });
}

/**
 * Takes a command that {@link startSandboxed} has just started to its end, its timeout or an abort; its whole process tree
 * ends with it. Rejects with EXEC_NOT_STARTED where there is no sandbox to start it in.
 */
export async function runToEnd(
  child: ChildProcess,
  argv: readonly string[],
  options: { timeoutMs: number; stdin?: string; signal?: AbortSignal },
): Promise<CommandEnd> {
  const closed = new Promise<{ exitCode: number | null; signal: string | null }>((resolve) => {
    child.once("close", (exitCode, signal) => resolve({ exitCode, signal }));
  });
  await started(child, argv);
  const stdout = new Output();
  const stderr = new Output();
  stdout.take(child.stdout);
  stderr.take(child.stderr);
  // A command may end without reading its input; its exit tells the rest.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(options.stdin);

  const end = (): void => killGroup(child);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    end();
  }, options.timeoutMs);
  options.signal?.addEventListener("abort", end, { once: true });
  if (options.signal?.aborted === true) end();
  try {
    const status = await closed;
    return { ...status, timedOut, stdout: stdout.text(), stderr: stderr.text() };
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", end);
  }
}
