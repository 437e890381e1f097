import { RunInput } from "./agent-run.ts";
import type { RunRequest } from "./agent-run.ts";
import type { AgentChannel } from "./channel.ts";

const SIGINT_EXIT = 130;

/**
 * Runs a command of an agent with the standard input and output of this program: with a terminal of its own at the other
 * end where this program has one, else with pipes. The terminal is put back when it ends.
 */
export async function runInTerminal(
  channel: AgentChannel,
  request: Pick<RunRequest, "place" | "argv">,
): Promise<{ exitCode: number }> {
  const { stdin, stdout, stderr } = process;
  const isTerminal = stdin.isTTY && stdout.isTTY;
  const size = (): { rows: number; columns: number } => ({ rows: stdout.rows || 24, columns: stdout.columns || 80 });
  const tty = { ...size(), term: process.env["TERM"] ?? "xterm-256color" };
  let input: RunInput | undefined;
  const { result, note } = channel.request(
    { op: "run", ...request, input: true, ...(isTerminal && { tty }) },
    ({ out, err, took }) => {
      if (out !== undefined) stdout.write(Buffer.from(out, "base64"));
      if (err !== undefined) stderr.write(Buffer.from(err, "base64"));
      if (took !== undefined) input?.took(took);
    },
  );
  const typing = (input = new RunInput(note));
  const onData = (bytes: Buffer): void => {
    // No more is read from the user than the command takes.
    stdin.pause();
    void typing.write(bytes).then(() => stdin.resume());
  };
  const onEnd = (): void => void typing.end();
  const onResize = (): void => void note({ op: "resize", ...size() });
  if (isTerminal) stdin.setRawMode(true);
  stdin.on("data", onData);
  stdin.once("end", onEnd);
  stdout.on("resize", onResize);
  try {
    const { exitCode, signal } = await result;
    return { exitCode: exitCode ?? (signal === "SIGINT" ? SIGINT_EXIT : 1) };
  } finally {
    typing.release();
    stdin.off("data", onData);
    stdin.off("end", onEnd);
    stdout.off("resize", onResize);
    if (isTerminal) stdin.setRawMode(false);
    stdin.pause();
  }
}
