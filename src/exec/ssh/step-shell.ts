import { randomBytes } from "node:crypto";
import { asError } from "../../core/as-error.ts";
import { LabError } from "../../core/errors.ts";
import type { Connection } from "./connection.ts";
import { startShell } from "./process.ts";
import type { RootWay, Shell } from "./process.ts";
import { runMark, stepText } from "./shell-text.ts";
import { Slots } from "./slots.ts";
import type { Warden } from "./warden.ts";

const OUTPUT_LIMIT = 16 << 20;

export interface StepOutcome {
  exitCode: number;
  stdout: Buffer;
  stderr: Buffer;
}

/** One of the two streams of a step: what comes before its mark is its output. */
class Part {
  readonly done: Promise<{ output: Buffer; status: number }>;
  private finish!: (result: { output: Buffer; status: number }) => void;
  private readonly mark: Buffer;
  private readonly chunks: Buffer[] = [];
  private size = 0;
  /** The last bytes, in which a mark may have begun. */
  private tail: Buffer = Buffer.alloc(0);

  constructor(mark: string) {
    this.mark = Buffer.from(mark);
    this.done = new Promise((resolve) => (this.finish = resolve));
  }

  /** False when it is more than a step may write. */
  take(chunk: Buffer): boolean {
    this.chunks.push(chunk);
    this.size += chunk.length;
    const seen = Buffer.concat([this.tail, chunk]);
    // "MARK STATUS." or "MARK."
    if (seen.includes(this.mark)) {
      const all = Buffer.concat(this.chunks);
      const at = all.indexOf(this.mark);
      const end = all.indexOf(".", at + this.mark.length);
      if (end !== -1) {
        const status = Number(all.toString("latin1", at + this.mark.length, end));
        this.finish({ output: all.subarray(0, at), status });
      }
      this.tail = seen;
      return true;
    }
    this.tail = seen.subarray(-this.mark.length);
    return this.size <= OUTPUT_LIMIT;
  }
}

/** A shell on the machine that carries out one step after another, each in a fork of its own, so that none leaves a trace in it. */
export class StepShell {
  isAlive = true;
  private readonly connection: Connection;
  private readonly warden: Warden;
  private readonly opened: Promise<Shell>;
  private readonly run: number;
  private readonly turn = new Slots(1);
  private current: { out: Part; err: Part; fail: (error: Error) => void } | undefined;

  constructor(connection: Connection, warden: Warden, as: RootWay) {
    this.connection = connection;
    this.warden = warden;
    this.run = connection.nextRun();
    const guard = `[ -e /proc/${warden.pid} ] || exit 125; export ${runMark(connection.id, this.run)}$$`;
    this.opened = startShell(connection, as, `${guard}; exec sh\n`, { lasts: true });
    this.opened.then(
      (shell) => {
        shell.stdout.on("data", (chunk: Buffer) => this.take("out", chunk));
        shell.stderr.on("data", (chunk: Buffer) => this.take("err", chunk));
        shell.ended.then(
          () => this.onGone(shellEnded(connection)),
          (error: unknown) => this.onGone(asError(error)),
        );
      },
      () => (this.isAlive = false),
    );
  }

  private onGone(error: Error): void {
    this.isAlive = false;
    this.current?.fail(error);
  }

  /**
   * Carries out one step when those before it have ended. REMOTE_TIMEOUT and aborts end the step, its children and this shell;
   * REMOTE_SHELL_ENDED where the step itself ended the shell. Undefined, and nothing done, where the shell had ended before its turn.
   */
  async step(
    script: string,
    args: readonly string[],
    { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal | undefined },
  ): Promise<StepOutcome | undefined> {
    const { connection } = this;
    const run = connection.nextRun();
    // 128 random bits: no output has them by chance, and no program can know them.
    const mark = randomBytes(16).toString("hex");
    const text = stepText(connection.id, run, mark, script, args);
    const giveBack = await this.turn.take(signal);
    let timer: NodeJS.Timeout | undefined;
    let onAbort: (() => void) | undefined;
    try {
      const shell = await this.opened;
      await shell.pid;
      if (!this.isAlive) return undefined;
      signal?.throwIfAborted();
      const [out, err] = [new Part(mark), new Part(mark)];
      const failed = new Promise<never>((_, reject) => {
        this.current = { out, err, fail: reject };
        const message = `a step on ${connection.label} took longer than ${timeoutMs / 1000} s`;
        timer = setTimeout(() => reject(new LabError("REMOTE_TIMEOUT", message)), timeoutMs);
        onAbort = () => reject(signal?.reason as Error);
        signal?.addEventListener("abort", onAbort);
      });
      shell.channel.write(text);
      try {
        const both = Promise.all([out.done, err.done]);
        const [{ output: stdout, status }, { output: stderr }] = await Promise.race([both, failed]);
        return { exitCode: status, stdout, stderr };
      } catch (error) {
        await this.end(run);
        throw error;
      }
    } finally {
      clearTimeout(timer);
      if (onAbort !== undefined) signal?.removeEventListener("abort", onAbort);
      this.current = undefined;
      giveBack();
    }
  }

  private take(stream: "out" | "err", chunk: Buffer): void {
    // What an earlier step left behind may write at any time.
    if (this.current?.[stream].take(chunk) !== false) return;
    const message = `a step on ${this.connection.label} wrote more than ${OUTPUT_LIMIT >> 20} MiB`;
    this.current.fail(new LabError("REMOTE_OUTPUT_LIMIT", message));
  }

  /** The step's programs and the shell: its forks bear the shell's mark. */
  private async end(run: number): Promise<void> {
    this.isAlive = false;
    await Promise.all([this.warden.kill(this.run, undefined), this.warden.kill(run, undefined)]);
    if (this.connection.ended === undefined) (await this.opened).channel.close();
  }
}

function shellEnded({ label }: Connection): LabError {
  return new LabError("REMOTE_SHELL_ENDED", `a step on ${label} ended the shell that carried it out`, {
    hint: "a step must not kill its parent; nobody knows how far it came",
  });
}
