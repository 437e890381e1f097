import type { Duplex, Readable } from "node:stream";
import { LabError } from "../../core/errors.ts";
import { quoteWord } from "../../core/shell-word.ts";
import { makeVisible, makeVisibleLine } from "../../core/visible-text.ts";
import { Answers } from "./answers.ts";
import { collect } from "./collect.ts";
import { Connection } from "./connection.ts";
import { readRemoteFile, writeRemoteFile } from "./files.ts";
import { login } from "./login.ts";
import { startProgram } from "./program.ts";
import { Renewed } from "./renewed.ts";
import { notStartedMark } from "./shell-text.ts";
import { Station } from "./station.ts";
import { runOnTerminal } from "./terminal.ts";
import type {
  OpenOptions,
  Remote,
  RemoteFileOptions,
  RemoteOptions,
  RemoteProcess,
  RemoteResult,
  SshTarget,
} from "./types.ts";

const TIMEOUT_MS = 60_000;
const OUTPUT_LIMIT = 16 << 20;
const SILENCE_MS = 15_000;
const SAID_LINES = 20;

type StepOptions = Pick<RemoteOptions, "sudo" | "timeoutMs" | "signal">;

/** Connects to a machine. Rejects with a LabError that says at which hop it failed, and what to do; nothing stays open then. */
export async function openRemote(target: SshTarget, options: OpenOptions = {}): Promise<Remote> {
  return open(target, options, new Answers(options.ask));
}

/**
 * Connects to many machines at once, in their order; what is asked is asked once. Rejects with the first failure, and then none stays
 * open.
 */
export async function openRemotes(targets: readonly SshTarget[], options: OpenOptions = {}): Promise<Remote[]> {
  const answers = new Answers(options.ask);
  const opened = await Promise.allSettled(targets.map((target) => open(target, options, answers)));
  const failed = opened.find((each) => each.status === "rejected");
  const remotes = opened.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  if (failed === undefined) return remotes;
  await Promise.all(remotes.map((remote) => remote.close()));
  throw failed.reason;
}

async function open(target: SshTarget, options: OpenOptions, answers: Answers): Promise<Remote> {
  const remote = new Machine(target, options, answers);
  await remote.station();
  return remote;
}

class Machine implements Remote {
  readonly target: SshTarget;
  private readonly options: OpenOptions;
  private readonly answers: Answers;
  private readonly stations: Renewed<Station>;
  private opening: AbortSignal | undefined;
  private isClosed = false;

  constructor(target: SshTarget, options: OpenOptions, answers: Answers) {
    this.target = target;
    this.options = options;
    this.answers = answers;
    this.opening = options.signal;
    this.stations = new Renewed(
      () => this.open(),
      ({ connection }) => connection.ended === undefined,
    );
  }

  /** The open connection; a new one where the last was lost. */
  async station(): Promise<Station> {
    if (!this.isClosed) return this.stations.get();
    throw new LabError("REMOTE_CLOSED", `the connection to ${makeVisibleLine(this.target.name)} was closed`);
  }

  private async open(): Promise<Station> {
    const { environment = process.env, silenceMs = SILENCE_MS } = this.options;
    // The signal is for the first time only.
    const signal = this.opening;
    this.opening = undefined;
    const connection = new Connection(
      await login(this.target, { answers: this.answers, environment, silenceMs, signal }),
      silenceMs,
    );
    try {
      return await Station.open(connection, this.answers);
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  async run(argv: readonly string[], options: RemoteOptions = {}): Promise<RemoteResult> {
    const { sudo = false, stdin, timeoutMs = TIMEOUT_MS, signal, maxOutputBytes = OUTPUT_LIMIT, onOutput } = options;
    signal?.throwIfAborted();
    const station = await this.station();
    const { label, id } = station.connection;
    const shown = makeVisibleLine(argv.map(quoteWord).join(" ")).slice(0, 200);
    const stop = new AbortController();
    const onAbort = (): void => stop.abort(signal?.reason);
    const timer = setTimeout(() => {
      stop.abort(new LabError("REMOTE_TIMEOUT", `${label}: took longer than ${timeoutMs / 1000} s: ${shown}`));
    }, timeoutMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    const stopped = new Promise<never>((_, reject) => {
      stop.signal.addEventListener("abort", () => reject(stop.signal.reason as Error), { once: true });
    });
    stopped.catch(() => undefined);
    try {
      const starting = station.start(argv, sudo, stop.signal);
      const program = await Promise.race([starting, stopped]).catch((error: unknown) => {
        // It must not run when it begins after all.
        void starting.then((late) => late.kill(), Boolean);
        throw error;
      });
      try {
        const tooMuch = (): void =>
          stop.abort(
            new LabError("REMOTE_OUTPUT_LIMIT", `${label}: wrote more than ${maxOutputBytes} bytes: ${shown}`),
          );
        const output = collect(program, maxOutputBytes, tooMuch, onOutput);
        program.channel.end(stdin);
        const work = Promise.all([program.ended, output, program.pid]);
        const [{ exitCode, signal: endedBy }, { stdout, stderr }] = await Promise.race([work, stopped]);
        const result = { exitCode, signal: endedBy, stdout: stdout.toString("utf8"), stderr: stderr.toString("utf8") };
        if (result.stderr.endsWith(`${notStartedMark(id)}\n`)) throw notStarted(label, result.stderr, id, argv);
        return result;
      } catch (error) {
        // Where it has ended, nothing of it is found.
        if (station.connection.ended === undefined) await program.kill();
        throw error;
      }
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  async step(script: string, args: readonly string[] = [], options: StepOptions = {}): Promise<RemoteResult> {
    const { sudo = false, timeoutMs = TIMEOUT_MS, signal } = options;
    signal?.throwIfAborted();
    const station = await this.station();
    for (;;) {
      // A shell that ended before this step's turn has not seen it.
      const shell = await station.steps(sudo);
      const outcome = await shell.step(script, args, { timeoutMs, signal });
      if (outcome === undefined) continue;
      const { exitCode, stdout, stderr } = outcome;
      return { exitCode, signal: null, stdout: stdout.toString("utf8"), stderr: stderr.toString("utf8") };
    }
  }

  async must(script: string, args: readonly string[] = [], options: StepOptions = {}): Promise<string> {
    const { exitCode, stdout, stderr } = await this.step(script, args, options);
    if (exitCode === 0) return stdout;
    const said = makeVisible((stderr.trim() === "" ? stdout : stderr).trim());
    const shown = makeVisible(script.trim()).split("\n").slice(0, 3).join("\n");
    throw new LabError(
      "REMOTE_FAILED",
      `${makeVisibleLine(this.target.name)}: a step failed (exit ${exitCode}): ${shown}\n${said.split("\n").slice(-SAID_LINES).join("\n")}`,
    );
  }

  async sudoPassword(): Promise<string | undefined> {
    const { as } = await (await this.station()).post(true);
    return as.kind === "sudo-password" ? as.password : undefined;
  }

  async spawn(argv: readonly string[], options: { sudo?: boolean; signal?: AbortSignal } = {}): Promise<RemoteProcess> {
    return startProgram(await this.station(), argv, options);
  }

  async terminal(argv: readonly string[], { sudo = false }: { sudo?: boolean } = {}): Promise<{ exitCode: number }> {
    const { connection, isRoot } = await this.station();
    return runOnTerminal(connection, argv, sudo && !isRoot);
  }

  async writeFile(
    path: string,
    content: string | Uint8Array | Readable,
    { sudo = false, mode = 0o600, signal }: RemoteFileOptions = {},
  ): Promise<void> {
    signal?.throwIfAborted();
    const must = (script: string, args: readonly string[], asRoot: boolean): Promise<string> =>
      this.must(script, args, { sudo: asRoot });
    await writeRemoteFile(await this.station(), must, path, content, { sudo, mode, signal });
  }

  async readFile(
    path: string,
    { sudo = false, signal }: Pick<RemoteFileOptions, "sudo" | "signal"> = {},
  ): Promise<Buffer | undefined> {
    signal?.throwIfAborted();
    return readRemoteFile(await this.station(), path, { sudo, signal });
  }

  async connect(address: string, port: number): Promise<Duplex> {
    return (await this.station()).connection.forward(address, port);
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await (await this.stations.known())?.close();
  }
}

function notStarted(label: string, stderr: string, id: string, argv: readonly string[]): LabError {
  const said = makeVisible(stderr.slice(0, stderr.lastIndexOf(notStartedMark(id))).trim());
  const program = makeVisibleLine(argv[0] ?? "");
  return new LabError("REMOTE_NOT_STARTED", `${label}: ${program} could not be started: ${said}`, {
    hint: "is it installed there, and in the PATH of a shell without a terminal?",
  });
}
