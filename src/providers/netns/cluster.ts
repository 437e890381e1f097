import { spawn } from "node:child_process";
import { sendSeccompProgram } from "../../kernel/sandbox.ts";
import type { EchoReply, EchoRequest } from "../../kernel/echo.ts";
import type { KubeObject } from "../../kube/types.ts";
import type { RunningCapture } from "../capture.ts";
import type { ClusterChanges, DeadlineChange, DeadlineState } from "../changes.ts";
import type { Fault, FaultPlace } from "../fault.ts";
import type { SettleOptions, SettleResult } from "../settle.ts";
import type {
  ApplyResult,
  Cluster,
  ExecOptions,
  ExecResult,
  ObjectRef,
  Source,
  SweepCell,
  SweepResult,
  WaitFor,
} from "../types.ts";
import type { Way, WayRequest } from "../way.ts";
import type { LabConnection } from "./client.ts";
import { packCells, unpackResult } from "./packed-sweep.ts";
import { lookAtWay } from "./way/way.ts";

/** Cells in one call. */
const MOST_CELLS = 100_000;

/** A Cluster whose every method is a call to the lab process. */
export class NetnsCluster implements Cluster {
  readonly recordsDrops = true;
  private readonly connection: LabConnection;

  constructor(connection: LabConnection) {
    this.connection = connection;
  }

  apply(objects: KubeObject[]): Promise<ApplyResult[]> {
    return this.connection.call("apply", { objects });
  }

  async delete(refs: ObjectRef[]): Promise<void> {
    await this.connection.call("delete", { refs });
  }

  list(filter: { kind?: string; namespace?: string } = {}): Promise<KubeObject[]> {
    return this.connection.call("list", filter);
  }

  async scale(ref: ObjectRef, replicas: number): Promise<void> {
    await this.connection.call("scale", { ref, replicas });
  }

  async rolloutRestart(ref: ObjectRef, restartedAt: string): Promise<void> {
    await this.connection.call("rolloutRestart", { ref, restartedAt });
  }

  async wait(condition: WaitFor, options: { timeoutMs: number; signal?: AbortSignal }): Promise<void> {
    await this.connection.call("wait", { condition, timeoutMs: options.timeoutMs }, options.signal);
  }

  settle({ timeoutMs }: SettleOptions): Promise<SettleResult> {
    return this.connection.call("settle", { timeoutMs });
  }

  exec(source: Source, argv: string[], options: ExecOptions): Promise<ExecResult> {
    const { signal, ...rest } = options;
    return this.connection.call("exec", { source, argv, options: rest }, signal);
  }

  async serve(
    source: Source,
    argv: string[],
    options: { readyPort: number; timeoutMs: number },
  ): Promise<{ stop(): Promise<void> }> {
    const { id } = await this.connection.call("serve", { source, argv, ...options });
    return {
      stop: async () => {
        await this.connection.call("stopServing", { id });
      },
    };
  }

  async sweep(cells: SweepCell[], { deadlineMs }: { deadlineMs: number }): Promise<SweepResult> {
    const result: SweepResult = { cells: [], durationMs: 0, retransmits: 0 };
    // Lines are bounded: an answer has up to 400 bytes a cell.
    for (let first = 0; first < cells.length; first += MOST_CELLS) {
      const part = cells.slice(first, first + MOST_CELLS);
      const seen = unpackResult(await this.connection.call("sweep", { ...packCells(part), deadlineMs }), part);
      for (const cell of seen.cells) result.cells.push(cell);
      result.durationMs += seen.durationMs;
      result.retransmits += seen.retransmits;
    }
    return result;
  }

  async capture(source: Source, filter: string): Promise<RunningCapture> {
    const { id } = await this.connection.call("capture", { source, filter });
    return { stop: async () => (await this.connection.call("stopCapture", { id })).packets };
  }

  echo(source: Source, request: EchoRequest, signal: AbortSignal): Promise<EchoReply[]> {
    return this.connection.call("echo", { source, request }, signal);
  }

  way(request: WayRequest): Promise<Way> {
    return lookAtWay(this, request);
  }

  async fault(fault: Fault, { whileHere = false }: { whileHere?: boolean } = {}): Promise<void> {
    await this.connection.call("fault", { fault, whileHere });
  }

  async restore(fault: FaultPlace): Promise<void> {
    await this.connection.call("restore", { fault });
  }

  logs(source: Source & { kind: "pod" }): Promise<string> {
    return this.connection.call("logs", { source });
  }

  addresses(source: Source): Promise<string[]> {
    return this.connection.call("addresses", { source });
  }

  changes(since: unknown, { isPatient, signal }: { isPatient: boolean; signal: AbortSignal }): Promise<ClusterChanges> {
    return this.connection.call("changes", { since, isPatient }, signal);
  }

  deadline(change?: DeadlineChange): Promise<DeadlineState> {
    return this.connection.call("deadline", { change: change ?? null });
  }

  /** Enters the lab's namespaces from here, so that the user's own terminal is the command's. */
  async interactive(source: Source, argv: string[]): Promise<{ exitCode: number }> {
    const entry = await this.connection.call("entry", { source, argv, tty: true });
    const args = ["--target", String(entry.pid), "--user", "--preserve-credentials", "--mount", "--pid"];
    args.push(`--net=/proc/${entry.pid}/fd/${entry.netnsFd}`, "--", ...entry.argv);
    const child = spawn("nsenter", args, { stdio: ["inherit", "inherit", "inherit", "pipe"] });
    sendSeccompProgram(child);
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => resolve({ exitCode: code ?? (signal === "SIGINT" ? 130 : 1) }));
    });
  }

  close(): Promise<void> {
    return this.connection.close();
  }
}
