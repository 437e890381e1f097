import { connect, type Socket } from "node:net";
import { PassThrough } from "node:stream";
import type { PodAccess } from "../../../src/engine/api/streams/pod-access.ts";
import { AccessLog, type LogPart } from "../../../src/engine/servers/access-log.ts";
import type { StreamedCommand, StreamedEnd, StreamedOptions } from "../../../src/kernel/streamed-command.ts";
import type { Pod } from "../../../src/kube/types.ts";

/** A command whose other side is the test's. */
export class FakeCommand implements StreamedCommand {
  readonly argv: readonly string[];
  readonly options: StreamedOptions;
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  readonly sizes: [number, number][] = [];
  readonly ended: Promise<StreamedEnd>;
  end!: (end: StreamedEnd) => void;
  /** Resolves when it is killed. */
  readonly killed: Promise<void>;
  kill!: () => void;

  constructor(argv: readonly string[], options: StreamedOptions) {
    this.argv = argv;
    this.options = options;
    this.ended = new Promise((resolve) => (this.end = resolve));
    this.killed = new Promise((resolve) => (this.kill = resolve));
    void this.killed.then(() => this.exit(null, "SIGKILL"));
  }

  resize(columns: number, rows: number): void {
    this.sizes.push([columns, rows]);
  }

  exit(exitCode: number | null, signal: string | null = null): void {
    this.stdout.end();
    this.stderr.end();
    this.end({ exitCode, signal });
  }
}

/** Pods whose commands are the test's to play. */
export class FakePodAccess implements PodAccess {
  private readonly commands: FakeCommand[] = [];
  private readonly waiting: ((command: FakeCommand) => void)[] = [];
  /** What the next command fails with. */
  failure: Error | undefined;

  async exec(
    _pod: Pod,
    _container: string,
    argv: readonly string[],
    options: StreamedOptions,
  ): Promise<StreamedCommand> {
    if (this.failure !== undefined) throw this.failure;
    const command = new FakeCommand(argv, options);
    const waiting = this.waiting.shift();
    if (waiting === undefined) this.commands.push(command);
    else waiting(command);
    return command;
  }

  /** The next command that was started and not yet asked for. */
  next(): Promise<FakeCommand> {
    const started = this.commands.shift();
    return started === undefined ? new Promise((resolve) => this.waiting.push(resolve)) : Promise.resolve(started);
  }

  /** Containers whose process has ended, with its exit code. */
  readonly exits: [container: string, exitCode: number][] = [];

  exited(_pod: Pod, container: string, exitCode: number): void {
    this.exits.push([container, exitCode]);
  }

  readonly log = new AccessLog();
  previousLog: AccessLog | undefined;

  readLog(_pod: Pod, _container: string, isPrevious: boolean): Promise<LogPart | undefined> {
    return Promise.resolve((isPrevious ? this.previousLog : this.log)?.read());
  }

  followLog(_pod: Pod, _container: string, after: number, signal: AbortSignal): Promise<LogPart> {
    return this.log.next(after, signal);
  }

  connect(_pod: Pod, port: number): Socket {
    return connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  }
}
