import { LabError } from "../core/errors.ts";
import type { Evidence } from "../grade/types.ts";
import type { ResolvedSource } from "../providers/source.ts";
import { dropWatch } from "./resolve.ts";
import type { ResolvedTarget } from "./resolve.ts";
import { runTool } from "./tool.ts";
import type { ProbeContext } from "./types.ts";

const GRACE_MS = 250;

/**
 * Opens the same TCP connection with bash's /dev/tcp (bash(1), REDIRECTION) and keeps what it says: for the reader to
 * check the socket's outcome against and to paste. It decides nothing, so its own failure is a note. curl's telnet://
 * would not do: once connected it waits for a silent server until its own timeout.
 *
 * It is not waited for long after `decided`: where an ICMP error comes back while connect(2) holds the socket, as it does
 * when both ends are on one host, the kernel sets it aside (tcp_v4_err) and bash sees the refusal a second later, when
 * the SYN is sent again. Nor at all where the socket waited for its whole deadline: bash has been silent as long.
 */
export async function connectWithTool(
  target: ResolvedTarget,
  port: number,
  from: ResolvedSource,
  context: ProbeContext,
  decided: Promise<{ waitedInVain: boolean }>,
): Promise<Evidence[]> {
  const address = target.address ?? target.host;
  // Both are an IP literal and a number by now, so nothing in them is the shell's to interpret.
  const script = `exec 3<>/dev/tcp/${address}/${port} && echo connected`;
  const argv = ["timeout", (context.deadlineMs / 1000).toFixed(1), "bash", "-c", script];
  const untilDropped = dropWatch(target, { port, protocol: "tcp" });
  const enough = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let graceMs = GRACE_MS;
  const startTimer = (decision?: { waitedInVain: boolean }): void => {
    if (decision?.waitedInVain === true) graceMs = 0;
    timer = setTimeout(() => enough.abort(), graceMs).unref();
  };
  decided.then(startTimer, () => startTimer());
  const signal = AbortSignal.any([context.signal, enough.signal]);
  try {
    const { evidence, proof } = await runTool({ ...context, signal }, from, argv, {
      timeoutMs: context.deadlineMs + 5000,
      ...(untilDropped === undefined ? {} : { untilDropped }),
    });
    const silent = evidence.text === "(no output)" && proof !== undefined;
    return [silent ? { ...evidence, text: "(no output: stopped when the drop was recorded)" } : evidence];
  } catch (error) {
    context.signal.throwIfAborted();
    if (enough.signal.aborted) {
      const when =
        graceMs === 0 ? "when the socket's deadline had passed" : `${graceMs} ms after the socket had its outcome`;
      return [{ kind: "note", text: `bash was still connecting ${when}` }];
    }
    if (!(error instanceof LabError)) throw error;
    return [{ kind: "note", text: `bash could not show the connection: ${error.message}` }];
  } finally {
    clearTimeout(timer);
  }
}
