import type { Writable } from "node:stream";
import type { SpdyStream } from "../spdy/spdy-session.ts";
import { serveSpdy, type Carrier } from "./carrier.ts";
import { CHANNELS, type Channels } from "./channels.ts";

/** How long a client may take to open its streams (kubelet, DefaultStreamCreationTimeout). */
const STREAM_CREATION_TIMEOUT_MS = 30_000;

/** What is kept of a message that has not ended. */
const LONGEST_TEXT = 1024;

/** Channels over SPDY: each is a stream that the client opens and names in its headers. */
export class SpdyChannels implements Channels {
  private readonly carrier: Carrier;
  private readonly streams = new Map<number, SpdyStream>();
  readonly closed: Promise<void>;
  private attachInput!: () => void;
  private readonly inputAttached = new Promise<void>((resolve) => (this.attachInput = resolve));

  private constructor(carrier: Carrier) {
    this.carrier = carrier;
    this.closed = carrier.closed;
  }

  /**
   * Waits until the client has opened as many streams as the request is for (kubelet, createHTTPStreamStreams); undefined where it
   * goes, or does not do it in time: the connection is then over.
   */
  static async open(carrier: Carrier, wanted: number): Promise<SpdyChannels | undefined> {
    const channels = new SpdyChannels(carrier);
    let timer: NodeJS.Timeout | undefined;
    const isComplete = await Promise.race([
      new Promise<true>((resolve) => {
        serveSpdy(carrier, (stream) => {
          const isTaken = channels.add(stream);
          if (channels.streams.size === wanted) resolve(true);
          return isTaken;
        });
      }),
      carrier.closed.then(() => false),
      new Promise<false>((resolve) => (timer = setTimeout(() => resolve(false), STREAM_CREATION_TIMEOUT_MS))),
    ]);
    clearTimeout(timer);
    if (isComplete) return channels;
    carrier.destroy();
    return undefined;
  }

  private add(stream: SpdyStream): boolean {
    const name = stream.headers.get("streamtype") ?? "";
    const channel = Object.hasOwn(CHANNELS, name) ? CHANNELS[name as keyof typeof CHANNELS] : undefined;
    if (channel === undefined || this.streams.has(channel)) return false;
    this.streams.set(channel, stream);
    if (channel !== CHANNELS.stdin) return true;
    // A client need not wait for the command: what it types before that is held, and the connection with it.
    const attached = Promise.race([this.inputAttached, this.closed]);
    const held = (stream.onData = async (data) => {
      await attached;
      if (stream.onData !== held) await stream.onData(data);
    });
    const early = (stream.onEnd = () => {
      void attached.then(() => {
        if (stream.onEnd !== early) stream.onEnd();
      });
    });
    return true;
  }

  input(channel: number, stream: Writable | undefined): void {
    const source = this.streams.get(channel);
    if (channel === CHANNELS.stdin) this.attachInput();
    if (source === undefined) return;
    if (stream === undefined) {
      source.onData = () => undefined;
      source.onEnd = () => undefined;
      return;
    }
    // A command may end without reading its input.
    const gone = new Promise<void>((resolve) => {
      stream.on("error", () => resolve());
      stream.on("close", () => resolve());
    });
    source.onData = async (data) => {
      if (!stream.writable || stream.write(data)) return;
      await Promise.race([gone, new Promise<void>((resolve) => stream.once("drain", resolve))]);
    };
    source.onEnd = () => stream.end();
    source.onReset = () => stream.end();
  }

  onText(channel: number, take: (text: string) => void): void {
    const source = this.streams.get(channel);
    if (source === undefined) return;
    let held = "";
    source.onData = (data) => {
      // Go's encoder writes a line a message.
      const lines = (held + data.toString()).split("\n");
      held = (lines.pop() ?? "").slice(0, LONGEST_TEXT);
      lines.forEach(take);
    };
  }

  send(channel: number, data: Uint8Array | string): Promise<boolean> {
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    return this.streams.get(channel)?.write(bytes) ?? Promise.resolve(true);
  }

  close(): void {
    for (const stream of this.streams.values()) stream.end();
    this.carrier.close();
  }
}
