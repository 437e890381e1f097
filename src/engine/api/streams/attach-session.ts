import type { Pod } from "../../../kube/types.ts";
import { planContainer } from "../../images/registry.ts";
import { CHANNELS, type Channels } from "./channels.ts";
import type { ExecRequest } from "./exec-request.ts";
import { carryCommand } from "./exec-session.ts";
import { statusOfEnd, statusOfFailure } from "./exec-status.ts";
import { logText } from "./log-options.ts";
import type { PodAccess } from "./pod-access.ts";

/** Shells that images have and hosts seldom, and what stands for them. */
const STAND_INS: Readonly<Record<string, string>> = { ash: "sh", zsh: "bash" };

/**
 * Attaches to a container's process: a shell or a tool that reads what is typed is run for its client, and the container ends with it; of
 * servers, which read no input, their lines are shown.
 */
export async function runAttach(access: PodAccess, pod: Pod, request: ExecRequest, channels: Channels): Promise<void> {
  const container = pod.spec.containers.find(({ name }) => name === request.container);
  const argv = container === undefined || !request.stdin ? undefined : planContainer(container).attached;
  if (argv === undefined) await showLog(access, pod, request, channels);
  else {
    const [program = "", ...args] = argv;
    const command = [STAND_INS[program] ?? program, ...args];
    await runProcess(access, pod, { ...request, command }, container?.["stdinOnce"] === true, channels);
  }
}

/** @param isOnce whether the process ends with its first client (core/v1 Container, stdinOnce). */
async function runProcess(
  access: PodAccess,
  pod: Pod,
  request: ExecRequest,
  isOnce: boolean,
  channels: Channels,
): Promise<void> {
  let isGone = false;
  void channels.closed.then(() => (isGone = true));
  let status = statusOfEnd({ exitCode: 0, signal: null });
  try {
    const { exitCode } = await carryCommand(access, pod, request, channels);
    // A client that went away ended its input, which shells take for the end; others may attach again.
    if (isOnce || !isGone) access.exited(pod, request.container, isGone ? 0 : (exitCode ?? KILLED));
  } catch (error) {
    status = statusOfFailure(error);
    access.exited(pod, request.container, NOT_FOUND);
  }
  // How a process ends is its container's to tell: an attached client hears of its streams alone.
  await channels.send(CHANNELS.error, JSON.stringify(status));
  channels.close();
}

/** As shells have it: 128 and SIGKILL; and a program that is not there. */
const KILLED = 137;
const NOT_FOUND = 127;

/** Shows what a container's servers write from now on, until it ends or the client goes. What is typed goes nowhere. */
async function showLog(
  access: PodAccess,
  pod: Pod,
  { container, stdout }: Pick<ExecRequest, "container" | "stdout">,
  channels: Channels,
): Promise<void> {
  channels.input(CHANNELS.stdin, undefined);
  const gone = new AbortController();
  void channels.closed.then(() => gone.abort());
  let after = (await access.readLog(pod, container, false))?.lines.at(-1)?.number ?? 0;
  for (;;) {
    const { lines, isOver } = await access.followLog(pod, container, after, gone.signal);
    if (gone.signal.aborted) return;
    if (stdout) await channels.send(CHANNELS.stdout, logText(lines, after, false));
    if (isOver) break;
    after = lines.at(-1)?.number ?? after;
  }
  await channels.send(CHANNELS.error, JSON.stringify(statusOfEnd({ exitCode: 0, signal: null })));
  channels.close();
}
