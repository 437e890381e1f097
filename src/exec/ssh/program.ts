import { once } from "node:events";
import { LabError } from "../../core/errors.ts";
import { makeVisibleLine } from "../../core/visible-text.ts";
import type { Ending } from "./process.ts";
import { notStartedMark } from "./shell-text.ts";
import type { Station } from "./station.ts";
import type { RemoteProcess } from "./types.ts";

/** sh(1) could not execute, or not find, the program. */
const NOT_EXECUTED: readonly (number | null)[] = [126, 127];

/** A program that is talked to while it runs; the signal ends it. `ended` rejects with REMOTE_NOT_STARTED where there is no such program. */
export async function startProgram(
  station: Station,
  argv: readonly string[],
  { sudo = false, signal }: { sudo?: boolean; signal?: AbortSignal },
): Promise<RemoteProcess> {
  signal?.throwIfAborted();
  const program = await station.start(argv, sudo, signal);
  const { channel, stdout, stderr, kill, pid } = program;
  const mark = notStartedMark(station.connection.id);
  const onAbort = (): void => void kill();
  signal?.addEventListener("abort", onAbort, { once: true });
  const settle = async (): Promise<Ending> => {
    try {
      await pid;
      const ending = await program.ended;
      if (!NOT_EXECUTED.includes(ending.exitCode)) return ending;
      // Its words may come after its exit code.
      if (!stderr.writableFinished) await station.connection.whileOpen(once(stderr, "finish"));
      if (!stderr.tail.includes(mark)) return ending;
      const name = makeVisibleLine(argv[0] ?? "");
      throw new LabError("REMOTE_NOT_STARTED", `${station.connection.label}: ${name} could not be started`);
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  };
  const ended = settle();
  ended.catch(() => undefined);
  return { stdin: channel, stdout, stderr, ended, kill };
}
