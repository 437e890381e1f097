import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { LabError } from "../core/errors.ts";
import type { NetworkNamespace } from "./namespace.ts";
import { killGroup } from "./sandboxed-command.ts";

const OUTPUT_TAIL = 2000;
const LONGEST_LOOK_MS = 20;

/** Whether something listens on a TCP port of the namespace: its row in the kernel's table (proc(5)), not a probe of it. */
export function isListening(namespace: NetworkNamespace, port: number): boolean {
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
  const listeningRow = new RegExp(`^\\s*\\d+: [0-9A-F]+:${hexPort} [0-9A-F]+:0000 0A`);
  return namespace.enter(() =>
    ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"].some((path) =>
      readFileSync(path, "utf8")
        .split("\n")
        .some((row) => listeningRow.test(row)),
    ),
  );
}

/**
 * Waits until a server that was just started, by `startSandboxed`, listens. Throws SERVE_FAILED where it ends or the time is
 * over; then it has been killed.
 */
export async function untilServing(
  child: ChildProcess,
  argv: readonly string[],
  namespace: NetworkNamespace,
  { readyPort, timeoutMs }: { readyPort: number; timeoutMs: number },
): Promise<void> {
  let output = "";
  let over: string | undefined;
  const take = (chunk: Buffer): void => {
    output = (output + chunk.toString("utf8")).slice(-OUTPUT_TAIL);
  };
  child.stdout?.on("data", take);
  child.stderr?.on("data", take);
  child.once("error", (error) => (over = error.message));
  child.once(
    "close",
    (code, signal) => (over ??= `${argv.join(" ")} ended (${signal ?? `exit code ${code}`}): ${output.trim()}`),
  );
  const deadline = performance.now() + timeoutMs;
  try {
    for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, LONGEST_LOOK_MS)) {
      if (isListening(namespace, readyPort)) return;
      if (over !== undefined) throw new LabError("SERVE_FAILED", over);
      if (performance.now() > deadline) {
        throw new LabError("SERVE_FAILED", `nothing listens on port ${readyPort} after ${timeoutMs} ms`);
      }
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  } catch (error) {
    killGroup(child);
    throw error;
  }
}
