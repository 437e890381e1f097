import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { LabError } from "../../../core/errors.ts";
import { quoteWord } from "../../../core/shell-word.ts";
import type { DropProof } from "../../../grade/types.ts";
import type { NetworkNamespace } from "../../../kernel/namespace.ts";
import { reapGroup } from "../../../kernel/processes.ts";
import { sandboxCommand, sendSeccompProgram } from "../../../kernel/sandbox.ts";
import type { SandboxOptions } from "../../../kernel/sandbox.ts";
import type { ExecOptions, ExecResult } from "../../types.ts";
import { flowKey } from "./evidence.ts";

/** What is kept of each stream; a tool that prints more is cut, and says so. */
const OUTPUT_LIMIT = 1 << 20;
const FIRST_LOOK_MS = 4;
const LONGEST_LOOK_MS = 50;

/** A place where commands run: a network namespace and what the sandbox shows. */
export interface ExecPlace {
  namespace: NetworkNamespace;
  /** Its own addresses, which its flows start from. */
  addresses: readonly string[];
  sandbox: SandboxOptions;
  /** The word after `cnilab exec LAB`. */
  name: string;
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
 * Starts a sandboxed command in the place's network namespace, where the child stays while this thread comes back. It
 * leads a process group of its own, which `killGroup` ends.
 */
export function startIn(place: ExecPlace, argv: readonly string[], stdin: "pipe" | "ignore"): ChildProcess {
  const [file = "", ...args] = sandboxCommand(argv, place.sandbox);
  const child = place.namespace.enter(() =>
    spawn(file, args, { stdio: [stdin, "pipe", "pipe", "pipe"], detached: true }),
  );
  sendSeccompProgram(child);
  // A sandbox whose outer half fails leaves the inner one waiting for it; and this process is the first of its pid
  // namespace, so what a command leaves behind becomes its child.
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

function started(child: ChildProcess, argv: readonly string[]): Promise<void> {
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

function isWatched(proof: DropProof, place: ExecPlace, watched: NonNullable<ExecOptions["untilDropped"]>): boolean {
  return (
    proof.protocol === watched.protocol &&
    (watched.port === undefined || proof.destinationPort === watched.port) &&
    watched.destinations.includes(proof.destination) &&
    place.addresses.includes(proof.source)
  );
}

function proofKey(proof: DropProof): string {
  return `${flowKey(proof.protocol, proof.source, proof.sourcePort)} ${proof.destination} ${proof.direction}`;
}

/**
 * Looks at the kernel's records while a command runs and calls `onAllDropped` once every watched destination has a
 * record that was not there before. Returns how to end it and what it found.
 */
function watchDrops(
  place: ExecPlace,
  watched: ExecOptions["untilDropped"],
  readProofs: () => DropProof[],
  onAllDropped: () => void,
): { end(): DropProof[] } {
  if (watched === undefined) return { end: () => [] };
  const before = new Set(readProofs().map(proofKey));
  const fresh = (): DropProof[] =>
    readProofs().filter((proof) => isWatched(proof, place, watched) && !before.has(proofKey(proof)));
  let intervalMs = FIRST_LOOK_MS;
  let timer: NodeJS.Timeout;
  const look = (): void => {
    const seen = new Set(fresh().map(({ destination }) => destination));
    const isDropped = (destination: string): boolean => seen.has(destination);
    const { destinations } = watched;
    if (
      watched.match === "any" ? destinations.some(isDropped) : destinations.length > 0 && destinations.every(isDropped)
    ) {
      onAllDropped();
      return;
    }
    intervalMs = Math.min(intervalMs * 2, LONGEST_LOOK_MS);
    timer = setTimeout(look, intervalMs);
  };
  timer = setTimeout(look, intervalMs);
  return {
    end: () => {
      clearTimeout(timer);
      return fresh();
    },
  };
}

/** Runs a command to its end, its timeout, an abort or a proven drop. Its whole process tree ends with it. */
export async function execIn(
  place: ExecPlace,
  argv: readonly string[],
  options: ExecOptions,
  labName: string,
  readProofs: () => DropProof[],
): Promise<ExecResult> {
  const startedAt = performance.now();
  const child = startIn(place, argv, options.stdin === undefined ? "ignore" : "pipe");
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
  const drops = watchDrops(place, options.untilDropped, readProofs, end);
  let status: Awaited<typeof closed>;
  let proofs: DropProof[];
  try {
    status = await closed;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", end);
    proofs = drops.end();
  }
  return {
    ...status,
    timedOut,
    stdout: stdout.text(),
    stderr: stderr.text(),
    durationMs: performance.now() - startedAt,
    proofs,
    paste: `cnilab exec ${labName} ${place.name} -- ${argv.map(quoteWord).join(" ")}`,
  };
}

/** Waits until something listens on a TCP port of the namespace: its row in the kernel's table, not a probe of it. */
export async function untilListening(
  namespace: NetworkNamespace,
  port: number,
  isOver: () => string | undefined,
  timeoutMs: number,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
  const listeningRow = new RegExp(`^\\s*\\d+: [0-9A-F]+:${hexPort} [0-9A-F]+:0000 0A`);
  const listens = (): boolean =>
    namespace.enter(() =>
      ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"].some((path) =>
        readFileSync(path, "utf8")
          .split("\n")
          .some((row) => listeningRow.test(row)),
      ),
    );
  for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 20)) {
    if (listens()) return;
    const over = isOver();
    if (over !== undefined) throw new LabError("SERVE_FAILED", over);
    if (performance.now() > deadline) {
      throw new LabError("SERVE_FAILED", `nothing listens on port ${port} after ${timeoutMs} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}
