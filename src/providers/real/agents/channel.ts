import { LabError } from "../../../core/errors.ts";
import { agentLost } from "./place-name.ts";
import type { AgentTransport } from "./transport.ts";
import { AGENT_PROTOCOL } from "./wire.ts";
import type { WireAnswer, WireEvent, WireNote, WireRequest, WireResults } from "./wire.ts";

/** Longer than any message of an agent; what exceeds it is not one. */
const LINE_LIMIT = 4 << 20;
/** Login messages of a machine may come first. */
const GREETING_LIMIT = 64 << 10;
const GREETING = /\n#cnilab-agent (.*)\n/;

export interface ChannelOptions {
  /** For messages: "node worker1". */
  where: string;
  /** The agent's source; it is sent first. */
  source: string;
  /** Default 20 s: a machine's Python may have to come from a slow disk. */
  greetingTimeoutMs?: number;
  /** Default 5 s. */
  heartbeatMs?: number;
  /** Silence after which the agent counts as lost; default 30 s. */
  silenceMs?: number;
}

/** A request under way: `result` settles once, after all events. */
export interface AgentRequest<Result> {
  result: Promise<Result>;
  /** Resolves when the channel takes more. */
  note(note: WireNote): Promise<void>;
}

interface Pending {
  onEvent(event: WireEvent): void;
  resolve(result: WireResults[keyof WireResults]): void;
  reject(error: LabError): void;
}

/**
 * Speaks with one agent: JSON lines with ids both ways, requests side by side, a heartbeat. Once the channel is closed, by
 * whichever side, every request ends with AGENT_LOST: a lost agent is never a result.
 */
export class AgentChannel {
  private readonly transport: AgentTransport;
  private readonly options: ChannelOptions;
  private readonly pending = new Map<number, Pending>();
  private nextId = 1;
  private rest = "";
  private heardAt = performance.now();
  private heartbeat: NodeJS.Timeout | undefined;
  private lostError: LabError | undefined;
  private greeted: { resolve(): void; reject(error: LabError): void } | undefined;

  private constructor(transport: AgentTransport, options: ChannelOptions) {
    this.transport = transport;
    this.options = options;
    transport.output.setEncoding("utf8");
    transport.output.on("data", (text: string) => this.hear(text));
    transport.output.on("error", (error) => this.lose(error.message));
    transport.output.on("close", () => this.lose("its channel was closed"));
    transport.output.on("end", () => this.lose("its channel was closed"));
    transport.input.on("error", (error) => this.lose(error.message));
  }

  /** Starts the agent at the other end and waits for its greeting. Rejects with AGENT_LOST, AGENT_PROTOCOL. */
  static async open(transport: AgentTransport, options: ChannelOptions): Promise<AgentChannel> {
    const channel = new AgentChannel(transport, options);
    const source = Buffer.from(options.source);
    const timeoutMs = options.greetingTimeoutMs ?? 20_000;
    const timer = setTimeout(() => channel.lose(`it said nothing within ${timeoutMs} ms`), timeoutMs);
    try {
      await new Promise<void>((resolve, reject) => {
        channel.greeted = { resolve, reject };
        if (channel.lostError !== undefined) return reject(channel.lostError);
        transport.input.write(Buffer.concat([Buffer.from(String(source.length).padStart(8, "0")), source]));
      });
    } finally {
      clearTimeout(timer);
    }
    const beatMs = options.heartbeatMs ?? 5000;
    channel.heartbeat = setInterval(() => channel.beat(), beatMs);
    // Only work under way keeps this program running.
    channel.heartbeat.unref();
    return channel;
  }

  /** Why there will be no more answers; undefined while the agent is there. */
  get lost(): LabError | undefined {
    return this.lostError;
  }

  request<Op extends WireRequest["op"]>(
    request: WireRequest & { op: Op },
    onEvent: (event: WireEvent) => void = () => undefined,
  ): AgentRequest<WireResults[Op]> {
    const id = this.nextId++;
    const result = new Promise<WireResults[Op]>((resolve, reject) => {
      if (this.lostError !== undefined) return reject(this.lostError);
      this.pending.set(id, { onEvent, resolve: (value) => resolve(value as WireResults[Op]), reject });
      void this.send({ ...request, id });
    });
    return { result, note: (note) => (this.pending.has(id) ? this.send({ ...note, id }) : Promise.resolve()) };
  }

  /** Ends the agent and everything it started; requests under way end with AGENT_LOST. */
  close(): void {
    this.lose("it was closed");
  }

  private send(message: (WireRequest | WireNote) & { id: number }): Promise<void> {
    const { input } = this.transport;
    if (this.lostError !== undefined || input.write(`${JSON.stringify(message)}\n`)) return Promise.resolve();
    return new Promise((resolve) => {
      const go = (): void => {
        input.off("drain", go);
        input.off("close", go);
        resolve();
      };
      input.once("drain", go);
      input.once("close", go);
    });
  }

  private beat(): void {
    const silentMs = performance.now() - this.heardAt;
    const limitMs = this.options.silenceMs ?? 30_000;
    if (silentMs > limitMs) this.lose(`it has been silent for ${Math.round(silentMs)} ms`);
    // Its answer is heard like any other; if the agent is lost the loss says so to everyone.
    else this.request({ op: "ping" }).result.catch(() => undefined);
  }

  private hear(text: string): void {
    this.heardAt = performance.now();
    this.rest += text;
    if (this.greeted !== undefined && !this.greet(this.greeted)) return;
    const lines = this.rest.split("\n");
    this.rest = lines.pop() ?? "";
    if (this.rest.length > LINE_LIMIT) return this.lose("it sent a message without end");
    for (const line of lines) {
      if (this.lostError !== undefined) return;
      this.take(line);
    }
  }

  /** Whether the greeting has come; messages may follow it in the same chunk. */
  private greet(greeted: { resolve(): void; reject(error: LabError): void }): boolean {
    const match = GREETING.exec(`\n${this.rest}`);
    if (match === null) {
      if (this.rest.length > GREETING_LIMIT) this.lose(`it is not an agent: ${this.rest.slice(0, 200)}`);
      return false;
    }
    this.greeted = undefined;
    this.rest = this.rest.slice(match.index + match[0].length - 1);
    const { protocol } = JSON.parse(match[1] ?? "{}") as { protocol?: number };
    if (protocol === AGENT_PROTOCOL) greeted.resolve();
    else {
      const { where } = this.options;
      const error = new LabError(
        "AGENT_PROTOCOL",
        `the agent of ${where} speaks protocol ${protocol ?? "unknown"}, this program ${AGENT_PROTOCOL}`,
      );
      greeted.reject(error);
      this.lose("it speaks another protocol", error);
    }
    return true;
  }

  private take(line: string): void {
    let answer: WireAnswer;
    try {
      answer = JSON.parse(line) as WireAnswer;
    } catch (cause) {
      return this.lose(`it sent what is not a message: ${line.slice(0, 200)}`, cause);
    }
    const pending = this.pending.get(answer.id);
    if (pending === undefined) return;
    if (answer.error !== undefined) {
      this.pending.delete(answer.id);
      pending.reject(new LabError(answer.error.code, answer.error.message));
    } else if (answer.ok !== undefined) {
      this.pending.delete(answer.id);
      pending.resolve(answer.ok);
    } else pending.onEvent(answer);
  }

  private lose(reason: string, cause?: unknown): void {
    if (this.lostError !== undefined) return;
    const complaint = this.transport.complaint();
    const error = agentLost(this.options.where, complaint === "" ? reason : `${reason}: ${complaint}`, cause);
    this.lostError = error;
    clearInterval(this.heartbeat);
    this.greeted?.reject(error);
    for (const { reject } of this.pending.values()) reject(error);
    this.pending.clear();
    this.transport.input.end();
    this.transport.destroy();
  }
}
