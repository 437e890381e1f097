import { isRecord } from "../../../core/is-record.ts";
import type { StreamedCommand, StreamedEnd } from "../../../kernel/streamed-command.ts";
import type { Pod } from "../../../kube/types.ts";
import type { Status } from "../api-error.ts";
import { CHANNELS, sendAll, type Channels } from "./channels.ts";
import type { ExecRequest } from "./exec-request.ts";
import { statusOfEnd, statusOfFailure } from "./exec-status.ts";
import type { PodAccess } from "./pod-access.ts";

/** Takes a command from its start to its end, and tells how it ended. It ends with its client; resolves when neither is left. */
export async function runExec(access: PodAccess, pod: Pod, request: ExecRequest, channels: Channels): Promise<void> {
  let status: Status;
  try {
    status = statusOfEnd(await carryCommand(access, pod, request, channels));
  } catch (error) {
    status = statusOfFailure(error);
  }
  await channels.send(CHANNELS.error, JSON.stringify(status));
  channels.close();
}

/** Starts a command and carries its streams until it has ended, which it does with its client. Rejects where it cannot be started. */
export async function carryCommand(
  access: PodAccess,
  pod: Pod,
  request: ExecRequest,
  channels: Channels,
): Promise<StreamedEnd> {
  const command = await access.exec(pod, request.container, request.command, {
    hasStdin: request.stdin,
    isTerminal: request.tty,
  });
  void channels.closed.then(() => command.kill());
  channels.onText(CHANNELS.resize, (text) => resize(command, text));
  channels.input(CHANNELS.stdin, command.stdin);
  const [end] = await Promise.all([
    command.ended,
    request.stdout ? sendAll(channels, CHANNELS.stdout, command.stdout) : command.stdout.resume(),
    command.stderr === undefined || !request.stderr
      ? command.stderr?.resume()
      : sendAll(channels, CHANNELS.stderr, command.stderr),
  ]);
  return end;
}

/** The kernel keeps a terminal's size in 16 bits; what is no size is passed over (client-go TerminalSize). */
function resize(command: StreamedCommand, text: string): void {
  let size: unknown;
  try {
    size = JSON.parse(text);
  } catch {
    return;
  }
  if (!isRecord(size)) return;
  const { Width: columns, Height: rows } = size;
  if (isSize(columns) && isSize(rows)) command.resize(columns, rows);
}

function isSize(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 65_536;
}
