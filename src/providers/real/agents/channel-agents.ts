import { StringDecoder } from "node:string_decoder";
import { LabError } from "../../../core/errors.ts";
import type { EchoReply, EchoRequest } from "../../../kernel/echo.ts";
import type { ExecOptions, ExecResult, SweepCellResult, SweepResult } from "../../types.ts";
import type { Agents, FollowedCommand, NodeToolResult, Place, PlacedCell } from "../types.ts";
import { collectRun } from "./agent-run.ts";
import type { AgentChannel } from "./channel.ts";
import { echoThrough } from "./channel-echo.ts";
import { Peer, type AgentConnection } from "./agent-peer.ts";
import { agentLost, placeMissing, placeName, podMissing } from "./place-name.ts";
import { runInTerminal } from "./terminal.ts";
import type { WirePlace } from "./wire.ts";

/** Cells of one message; a larger sweep is several, side by side. */
const CELLS_A_MESSAGE = 2048;
const NODE_TOOL_TIMEOUT_MS = 5000;
const NODE_TOOL_OUTPUT = 32 << 20;

export interface ChannelAgentsOptions {
  /** Starts the agent of a node. Called at the first use, and at the next use after an agent was lost. */
  nodes: ReadonlyMap<string, () => Promise<AgentConnection>>;
  external?: (() => Promise<AgentConnection>) | undefined;
  /** A command for the user's shell that runs argv in the network namespace of a process of the node. */
  paste(place: Place, networkPid: number, argv: readonly string[]): string;
}

function wirePlace(place: Place): WirePlace {
  const name = placeName(place);
  return place.kind === "pod" ? { kind: "pod", uid: place.uid, name } : { kind: "node", name };
}

/** What an agent says of a place, in the words of this program. */
function withPlace(error: unknown, place: Place): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  if (!(error instanceof LabError) || error.code !== "SOURCE_MISSING" || place.kind !== "pod") return error;
  return podMissing(place, error.message.includes("ended meanwhile") ? ": it ended meanwhile" : "");
}

class ChannelAgents implements Agents {
  private readonly options: ChannelAgentsOptions;
  private readonly peers: Map<string, Peer>;
  private readonly external: Peer | undefined;
  private isClosed = false;

  constructor(options: ChannelAgentsOptions) {
    this.options = options;
    this.peers = new Map([...options.nodes].map(([node, start]) => [node, new Peer(start)]));
    this.external = options.external && new Peer(options.external);
  }

  /** Starts all agents now, so that what is wrong with one shows here. */
  async start(): Promise<void> {
    const started = await Promise.allSettled(this.all().map((peer) => peer.channel()));
    const failed = started.find((each) => each.status === "rejected");
    if (failed === undefined) return;
    await this.close();
    throw failed.reason;
  }

  async sweep(cells: PlacedCell[], { deadlineMs }: { deadlineMs: number }): Promise<SweepResult> {
    const startedAt = performance.now();
    const byPeer = new Map<Peer | LabError, PlacedCell[]>();
    for (const cell of cells) {
      const peer = this.peerOf(cell.from);
      const list = byPeer.get(peer) ?? [];
      if (list.length === 0) byPeer.set(peer, list);
      list.push(cell);
    }
    const parts = [...byPeer].flatMap(([peer, list]) =>
      Array.from({ length: Math.ceil(list.length / CELLS_A_MESSAGE) }, (_, index) =>
        sweepPart(peer, list.slice(index * CELLS_A_MESSAGE, (index + 1) * CELLS_A_MESSAGE), deadlineMs),
      ),
    );
    const results = await Promise.all(parts);
    return {
      cells: results.flatMap((part) => part.cells),
      durationMs: performance.now() - startedAt,
      retransmits: results.reduce((sum, part) => sum + part.retransmits, 0),
    };
  }

  async exec(place: Place, argv: string[], options: ExecOptions): Promise<ExecResult> {
    const startedAt = performance.now();
    const channel = await this.channelOf(place);
    try {
      const request = { place: wirePlace(place), argv, timeoutMs: options.timeoutMs };
      const end = await collectRun(channel, request, options);
      const { exitCode, signal, timedOut, stdout, stderr, networkPid } = end;
      const durationMs = performance.now() - startedAt;
      const paste = this.options.paste(place, networkPid, argv);
      return { exitCode, signal, timedOut, stdout, stderr, durationMs, proofs: [], paste };
    } catch (error) {
      throw withPlace(error, place);
    }
  }

  async serve(
    place: Place,
    argv: string[],
    options: { readyPort: number; timeoutMs: number },
  ): Promise<{ stop(): Promise<void> }> {
    const channel = await this.channelOf(place);
    let onReady: () => void;
    const ready = new Promise<void>((resolve) => (onReady = resolve));
    const { result, note } = channel.request({ op: "run", place: wirePlace(place), argv, ...options }, (event) => {
      if (event.ready === true) onReady();
    });
    const ended = result.then(
      () => undefined,
      (error: unknown) => withPlace(error, place),
    );
    const failure = await Promise.race([ready, ended]);
    if (failure !== undefined) throw failure;
    return {
      stop: async () => {
        await note({ op: "kill" });
        // However it ended, it has.
        await ended;
      },
    };
  }

  async interactive(place: Place, argv: string[]): Promise<{ exitCode: number }> {
    const channel = await this.channelOf(place);
    try {
      return await runInTerminal(channel, { place: wirePlace(place), argv });
    } catch (error) {
      throw withPlace(error, place);
    }
  }

  async follow(
    place: Place,
    argv: string[],
    take: (text: string, stream: "out" | "err") => void,
  ): Promise<FollowedCommand> {
    const channel = await this.channelOf(place);
    const text = { out: new StringDecoder("utf8"), err: new StringDecoder("utf8") };
    const { result, note } = channel.request({ op: "run", place: wirePlace(place), argv }, ({ out, err }) => {
      if (out !== undefined) take(text.out.write(Buffer.from(out, "base64")), "out");
      if (err !== undefined) take(text.err.write(Buffer.from(err, "base64")), "err");
    });
    const ended = result.then(
      () => undefined,
      (error: unknown) => Promise.reject(withPlace(error, place)),
    );
    return {
      ended,
      stop: async () => {
        await note({ op: "kill" });
        // However it ended, it has.
        await ended.catch(() => undefined);
      },
    };
  }

  async echo(place: Place, request: EchoRequest, signal: AbortSignal): Promise<EchoReply[]> {
    const channel = await this.channelOf(place);
    try {
      return await echoThrough(channel, wirePlace(place), request, signal);
    } catch (error) {
      throw withPlace(error, place);
    }
  }

  async nodeTool(node: string, argv: readonly string[]): Promise<NodeToolResult> {
    const place: Place = { kind: "node", node };
    const channel = await this.channelOf(place);
    const request = { place: wirePlace(place), argv: [...argv], timeoutMs: NODE_TOOL_TIMEOUT_MS, native: true };
    try {
      const end = await collectRun(channel, request, {}, NODE_TOOL_OUTPUT);
      const { stdout, stderr } = end;
      if (end.exitCode === 0) return { ok: true, stdout, stderr };
      return { ok: false, stdout, stderr, reason: stderr.trim() || `exit code ${end.exitCode ?? end.signal}` };
    } catch (error) {
      if (!(error instanceof LabError) || error.code !== "EXEC_NOT_STARTED") throw error;
      return { ok: false, stdout: "", stderr: "", reason: error.message };
    }
  }

  async close(): Promise<void> {
    this.isClosed = true;
    const closed = await Promise.allSettled(this.all().map((peer) => peer.close()));
    const failed = closed.find((each) => each.status === "rejected");
    if (failed !== undefined && !isLost(failed.reason)) throw failed.reason;
  }

  private all(): Peer[] {
    return [...this.peers.values(), ...(this.external === undefined ? [] : [this.external])];
  }

  private peerOf(place: Place): Peer | LabError {
    if (this.isClosed) return agentLost(placeName(place), "it was closed");
    if (place.kind === "external") return this.external ?? placeMissing(place);
    return this.peers.get(place.node) ?? placeMissing({ kind: "node", node: place.node });
  }

  private channelOf(place: Place): Promise<AgentChannel> {
    const peer = this.peerOf(place);
    return peer instanceof LabError ? Promise.reject(peer) : peer.channel();
  }
}

/** One that never started leaves nothing to close. */
function isLost(error: unknown): boolean {
  return error instanceof LabError && error.code.startsWith("AGENT_");
}

/** What goes wrong with an agent is an error of each of its cells that has no result, never of others'. */
async function sweepPart(
  peer: Peer | LabError,
  cells: readonly PlacedCell[],
  deadlineMs: number,
): Promise<{ cells: SweepCellResult[]; retransmits: number }> {
  const found = new Map<number, SweepCellResult>();
  let retransmits = 0;
  let reason = "AGENT_FAILED: the agent has no result of it";
  try {
    if (peer instanceof LabError) throw peer;
    const channel = await peer.channel();
    const placeOf = new Map(cells.map(({ from }) => [JSON.stringify(from), from]));
    const keys = [...placeOf.keys()];
    const indexOf = new Map(keys.map((key, index) => [key, index]));
    const sweep = channel.request(
      {
        op: "sweep",
        places: [...placeOf.values()].map(wirePlace),
        cells: cells.map(({ id, from, address, port, protocol }) => [
          id,
          indexOf.get(JSON.stringify(from)) ?? -1,
          address,
          port,
          protocol,
        ]),
        deadlineMs,
      },
      (event) => {
        for (const [id, outcome, detail, latencyMs] of event.cells ?? [])
          found.set(id, { id, outcome, detail, latencyMs });
      },
    );
    ({ retransmits } = await sweep.result);
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    reason = `${error.code}: ${error.message}`;
  }
  const missing = (id: number): SweepCellResult => ({ id, outcome: "error", detail: reason, latencyMs: 0 });
  return { cells: cells.map(({ id }) => found.get(id) ?? missing(id)), retransmits };
}

/** Agents behind channels, one a node: whatever carries them. Rejects with AGENT_LOST where one does not start. */
export async function channelAgents(options: ChannelAgentsOptions): Promise<Agents> {
  const agents = new ChannelAgents(options);
  await agents.start();
  return agents;
}
