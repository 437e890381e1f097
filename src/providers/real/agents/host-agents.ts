import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { LabError } from "../../../core/errors.ts";
import { quoteWord } from "../../../core/shell-word.ts";
import { sendEchoes } from "../../../kernel/echo.ts";
import type { EchoReply, EchoRequest } from "../../../kernel/echo.ts";
import { isListening, untilServing } from "../../../kernel/listening.ts";
import type { ProbeTarget } from "../../../kernel/probe-round.ts";
import { sandboxCommand, sendSeccompProgram } from "../../../kernel/sandbox.ts";
import { killGroup, runToEnd, started, startSandboxed } from "../../../kernel/sandboxed-command.ts";
import type { ExecOptions, ExecResult, SweepCellResult, SweepResult } from "../../types.ts";
import type { Agents, FollowedCommand, NodeToolResult, Place, PlacedCell } from "../types.ts";
import { runNodeTool } from "./host-node-tool.ts";
import { HostPlaces } from "./host-places.ts";
import type { HostPlacesOptions, OpenPlace } from "./host-places.ts";
import { HostSandboxes, requireTool } from "./host-sandbox.ts";
import { HostSweeper } from "./host-sweeper.ts";
import { agentLost, placeName } from "./place-name.ts";

export interface HostAgentsOptions extends HostPlacesOptions {
  /** Ours alone; holds what sandboxes bind into /etc. Made where it is missing, left behind by `close`. */
  scratchDirectory: string;
}

const errorCell = (id: number, { code, message }: LabError): SweepCellResult => ({
  id,
  outcome: "error",
  detail: `${code}: ${message}`,
  latencyMs: 0,
});

class HostAgents implements Agents {
  private readonly places: HostPlaces;
  private readonly sandboxes: HostSandboxes;
  private readonly sweeper = new HostSweeper();
  private readonly running = new Set<ChildProcess>();
  private isClosed = false;

  constructor(options: HostAgentsOptions) {
    this.places = new HostPlaces(options);
    this.sandboxes = new HostSandboxes(options.scratchDirectory);
  }

  sees(pod: Place & { kind: "pod" }): boolean {
    return this.places.has(pod);
  }

  async sweep(cells: PlacedCell[], { deadlineMs }: { deadlineMs: number }): Promise<SweepResult> {
    this.requireOpen();
    const startedAt = performance.now();
    const places = new Map(cells.map(({ from }) => [JSON.stringify(from), from]));
    const opened = this.places.openAll([...places.values()]);
    const sources = new Map([...places.keys()].map((key, index) => [key, opened[index]]));
    const sourceOf = new Map(cells.map(({ id, from }) => [id, sources.get(JSON.stringify(from))]));
    const results: SweepCellResult[] = [];
    const targets: ProbeTarget[] = [];
    for (const { id, address, port, protocol } of cells) {
      const source = sourceOf.get(id);
      if (source instanceof LabError) results.push(errorCell(id, source));
      else if (source !== undefined) targets.push({ id, netnsFd: source.namespace.fd, address, port, protocol });
    }
    try {
      const outcomes = await this.sweeper.sweep(targets, deadlineMs);
      const ended = new Map(
        opened.flatMap((source) => (source instanceof LabError ? [] : [[source, endOf(source)] as const])),
      );
      for (const { id, outcome, detail, latencyMs } of outcomes) {
        const source = sourceOf.get(id);
        const error = source === undefined || source instanceof LabError ? undefined : ended.get(source);
        // The network of a pod that ended is gone, so that its silence says nothing.
        if (error !== undefined && outcome !== "answered") results.push(errorCell(id, error));
        else results.push({ id, outcome, detail, latencyMs });
      }
      const retransmits = outcomes.reduce((sum, outcome) => sum + outcome.retransmits, 0);
      return { cells: results, durationMs: performance.now() - startedAt, retransmits };
    } finally {
      for (const source of opened) if (!(source instanceof LabError)) source.close();
    }
  }

  async exec(place: Place, argv: string[], options: ExecOptions): Promise<ExecResult> {
    requireTool(argv[0] ?? "");
    const source = this.open(place);
    try {
      const startedAt = performance.now();
      const child = this.start(source, argv, options.stdin === undefined ? "ignore" : "pipe");
      const end = await runToEnd(child, argv, options);
      // What bwrap itself has to say ends with 1 like many a tool that got no answer.
      if (end.exitCode === 1 && end.stderr.startsWith("bwrap: ")) {
        throw new LabError("EXEC_NOT_STARTED", `${argv.join(" ")} could not be started: ${end.stderr.trim()}`);
      }
      if (this.isClosed) throw closed();
      if (options.signal?.aborted !== true) source.verify();
      const paste = ["nsenter", `--net=/proc/${source.pids.network}/ns/net`, "--", ...argv].map(quoteWord).join(" ");
      return { ...end, durationMs: performance.now() - startedAt, proofs: [], paste };
    } finally {
      source.close();
    }
  }

  async serve(
    place: Place,
    argv: string[],
    options: { readyPort: number; timeoutMs: number },
  ): Promise<{ stop(): Promise<void> }> {
    requireTool(argv[0] ?? "");
    const source = this.open(place);
    try {
      if (isListening(source.namespace, options.readyPort)) {
        throw new LabError("SERVE_FAILED", `port ${options.readyPort} of ${placeName(place)} is in use already`);
      }
      const child = this.start(source, argv, "ignore");
      const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
      await untilServing(child, argv, source.namespace, options);
      return {
        stop: () => {
          killGroup(child);
          return ended;
        },
      };
    } finally {
      source.close();
    }
  }

  async interactive(place: Place, argv: string[]): Promise<{ exitCode: number }> {
    requireTool(argv[0] ?? "");
    const source = this.open(place);
    const [file = "", ...args] = sandboxCommand(argv, this.sandboxes.of(place, source.pids.files));
    const child = source.namespace.enter(() => spawn(file, args, { stdio: ["inherit", "inherit", "inherit", "pipe"] }));
    source.close();
    sendSeccompProgram(child);
    return new Promise((resolve, reject) => {
      child.once("error", (cause) =>
        reject(new LabError("EXEC_NOT_STARTED", `${argv.join(" ")} could not be started: ${cause.message}`, { cause })),
      );
      child.once("exit", (code, signal) => resolve({ exitCode: code ?? (signal === "SIGINT" ? 130 : 1) }));
    });
  }

  async follow(
    place: Place,
    argv: string[],
    take: (text: string, stream: "out" | "err") => void,
  ): Promise<FollowedCommand> {
    requireTool(argv[0] ?? "");
    const source = this.open(place);
    try {
      const child = this.start(source, argv, "ignore");
      child.stdout?.setEncoding("utf8").on("data", (text: string) => take(text, "out"));
      child.stderr?.setEncoding("utf8").on("data", (text: string) => take(text, "err"));
      await started(child, argv);
      const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
      return {
        ended,
        stop: () => {
          killGroup(child);
          return ended;
        },
      };
    } finally {
      source.close();
    }
  }

  async echo(place: Place, request: EchoRequest, signal: AbortSignal): Promise<EchoReply[]> {
    const source = this.open(place);
    try {
      const replies = await sendEchoes(source.namespace, request, signal);
      source.verify();
      return replies;
    } finally {
      source.close();
    }
  }

  async nodeTool(node: string, argv: readonly string[]): Promise<NodeToolResult> {
    const source = this.open({ kind: "node", node });
    try {
      return await runNodeTool(source.pids.network, argv);
    } finally {
      source.close();
    }
  }

  async close(): Promise<void> {
    this.isClosed = true;
    const ended = [...this.running].map(
      (child) => new Promise<void>((resolve) => child.once("close", () => resolve())),
    );
    for (const child of this.running) killGroup(child);
    await Promise.all([...ended, this.sweeper.close()]);
  }

  private requireOpen(): void {
    if (this.isClosed) throw closed();
  }

  private open(place: Place): OpenPlace {
    this.requireOpen();
    const [source] = this.places.openAll([place]);
    if (source === undefined || source instanceof LabError) throw source ?? closed();
    return source;
  }

  private start(source: OpenPlace, argv: readonly string[], stdin: "pipe" | "ignore"): ChildProcess {
    const sandbox = this.sandboxes.of(source.place, source.pids.files);
    const child = startSandboxed(source.namespace, sandbox, argv, stdin);
    this.running.add(child);
    child.once("close", () => this.running.delete(child));
    child.once("error", () => this.running.delete(child));
    return child;
  }
}

function endOf(source: OpenPlace): LabError | undefined {
  try {
    source.verify();
    return undefined;
  } catch (error) {
    if (error instanceof LabError) return error;
    throw error;
  }
}

function closed(): LabError {
  return agentLost("this host", "it was closed");
}

/**
 * Agents without processes of their own, for root on the Docker host: `nodes` are the process ids, on this host, of the
 * node containers' first processes, `externalPid` that of the host outside the cluster. `nodes` is read at every use, so
 * that the number of a node that was started anew can be put in. Tools are this host's, in a sandbox. The uid of a static
 * pod is its annotation kubernetes.io/config.hash.
 */
export function hostAgents(options: HostAgentsOptions): Promise<Agents> {
  return Promise.resolve(new HostAgents(options));
}
