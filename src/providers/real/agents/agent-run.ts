import type { ExecOptions } from "../../types.ts";
import type { AgentChannel } from "./channel.ts";
import type { WireRequest, WireResults } from "./wire.ts";

/** What is kept of each stream, as for commands of this host. */
const OUTPUT_LIMIT = 1 << 20;
const INPUT_CHUNK = 24 << 10;
/** Input that the agent has not yet handed on. */
const INPUT_AHEAD = 256 << 10;

export type RunRequest = WireRequest & { op: "run" };

/** Sends a command's input piece by piece, as the command takes it. */
export class RunInput {
  private readonly note: ReturnType<AgentChannel["request"]>["note"];
  private ahead = 0;
  private resume: (() => void) | undefined;

  constructor(note: ReturnType<AgentChannel["request"]>["note"]) {
    this.note = note;
  }

  took(bytes: number): void {
    this.ahead -= bytes;
    if (this.ahead < INPUT_AHEAD) this.resume?.();
  }

  /** Lets a write that waits for the command go on: it has ended. */
  release(): void {
    this.ahead = Number.NEGATIVE_INFINITY;
    this.resume?.();
  }

  async write(bytes: Buffer): Promise<void> {
    for (let start = 0; start < bytes.length; start += INPUT_CHUNK) {
      const chunk = bytes.subarray(start, start + INPUT_CHUNK);
      if (this.ahead >= INPUT_AHEAD) {
        await new Promise<void>((resolve) => (this.resume = resolve));
        this.resume = undefined;
      }
      this.ahead += chunk.length;
      await this.note({ op: "input", data: chunk.toString("base64") });
    }
  }

  async end(): Promise<void> {
    await this.note({ op: "input", end: true });
  }
}

function textOf(chunks: readonly Buffer[], bytes: number, limit: number): string {
  const text = Buffer.concat(chunks).toString("utf8");
  return bytes > limit ? `${text}\n[cut: ${bytes} bytes in all]\n` : text;
}

/** Takes a command of an agent to its end, its timeout or an abort, its output collected. */
export async function collectRun(
  channel: AgentChannel,
  request: Omit<RunRequest, "op" | "limit" | "input">,
  options: Pick<ExecOptions, "stdin" | "signal">,
  limit = OUTPUT_LIMIT,
): Promise<WireResults["run"] & { stdout: string; stderr: string }> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  const { stdin, signal } = options;
  let input: RunInput | undefined;
  const { result, note } = channel.request(
    { ...request, op: "run", limit, input: stdin !== undefined },
    ({ out, err, took }) => {
      if (out !== undefined) stdout.push(Buffer.from(out, "base64"));
      if (err !== undefined) stderr.push(Buffer.from(err, "base64"));
      if (took !== undefined) input?.took(took);
    },
  );
  const abort = (): void => void note({ op: "kill" });
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted === true) abort();
  if (stdin !== undefined) {
    const sending = (input = new RunInput(note));
    void sending.write(Buffer.from(stdin)).then(() => sending.end());
  }
  try {
    const end = await result;
    return { ...end, stdout: textOf(stdout, end.bytes.out, limit), stderr: textOf(stderr, end.bytes.err, limit) };
  } finally {
    input?.release();
    signal?.removeEventListener("abort", abort);
  }
}
