import { controlFrame, dataFrame, FLAG_FIN, FrameReader, SpdyError, TYPE, words, type Frame } from "./frames.ts";
import { emptyHeaders, HeaderReader } from "./headers.ts";

const PROTOCOL_ERROR = 1;
const REFUSED_STREAM = 3;
const STREAM_ID = 0x7fff_ffff;

/** A stream that the client opened. */
export interface SpdyStream {
  readonly id: number;
  readonly headers: ReadonlyMap<string, string>;
  /** Takes what the client sends; while its promise is open, nothing more of the connection is read. */
  onData: (data: Buffer) => Promise<void> | void;
  /** The client sends nothing more. */
  onEnd: () => void;
  /** The client wants nothing of it any more, or is gone. */
  onReset: () => void;
  /** Resolves when it is sent: false where nobody is there any more. */
  write(data: Uint8Array): Promise<boolean>;
  end(): void;
}

export interface SpdySessionOptions {
  /** Sends bytes to the client; resolves when the kernel has them, false where the client is gone. */
  send(bytes: Buffer): Promise<boolean>;
  /** A stream was opened; false refuses it. */
  onStream(stream: SpdyStream): boolean;
}

/** The server's side of one SPDY/3.1 connection. Flow control is that of what carries it, as in kubectl's own implementation. */
export class SpdySession {
  private readonly options: SpdySessionOptions;
  private readonly frames = new FrameReader();
  private readonly headers = new HeaderReader();
  private readonly streams = new Map<number, SpdyStream>();
  private hasReplied = false;
  private lastId = 0;

  constructor(options: SpdySessionOptions) {
    this.options = options;
  }

  /** Works through what came; call it again only when its promise is settled. Rejects with {@link SpdyError}. */
  async take(bytes: Buffer): Promise<void> {
    for (const frame of this.frames.read(bytes)) {
      if (frame.kind === "control") await this.control(frame);
      else await this.data(frame);
    }
  }

  /** The client is gone. */
  close(): void {
    this.headers.close();
    for (const stream of this.streams.values()) stream.onReset();
    this.streams.clear();
  }

  private async data({ streamId, flags, payload }: Frame & { kind: "data" }): Promise<void> {
    const stream = this.streams.get(streamId);
    // What was on its way when the stream was reset.
    if (stream === undefined) return;
    if (payload.length > 0) await stream.onData(payload);
    if ((flags & FLAG_FIN) !== 0) stream.onEnd();
  }

  private async control({ type, flags, payload }: Frame & { kind: "control" }): Promise<void> {
    switch (type) {
      case TYPE.synStream:
        await this.open(payload, flags);
        return;
      case TYPE.rstStream: {
        const id = numberAt(payload, 0);
        this.streams.get(id)?.onReset();
        this.streams.delete(id);
        return;
      }
      case TYPE.ping:
        // The client's have odd numbers (2.6.5); an even one would be an answer to ours, and we send none.
        if (numberAt(payload, 0) % 2 === 1) void this.options.send(controlFrame(TYPE.ping, payload.subarray(0, 4)));
        return;
      default:
      // Settings, windows and farewells change nothing here.
    }
  }

  private async open(payload: Buffer, flags: number): Promise<void> {
    const id = numberAt(payload, 0) & STREAM_ID;
    // kubectl numbers its streams before it sends them, and several at once may overtake each other.
    if (id % 2 === 0 || this.streams.has(id) || payload.length < 10) throw new SpdyError(`a stream of number ${id}`);
    this.lastId = Math.max(this.lastId, id);
    const headers = await this.headers.read(payload.subarray(10));
    const stream: SpdyStream = {
      id,
      headers,
      onData: () => undefined,
      onEnd: () => undefined,
      onReset: () => undefined,
      write: (data) => this.options.send(dataFrame(id, data)),
      end: () => void this.options.send(dataFrame(id, Buffer.alloc(0), FLAG_FIN)),
    };
    if (!this.options.onStream(stream)) {
      void this.options.send(controlFrame(TYPE.rstStream, words(id, REFUSED_STREAM)));
      return;
    }
    this.streams.set(id, stream);
    const reply = Buffer.concat([words(id), emptyHeaders(!this.hasReplied)]);
    this.hasReplied = true;
    void this.options.send(controlFrame(TYPE.synReply, reply));
    if ((flags & FLAG_FIN) !== 0) stream.onEnd();
  }

  /** Forgets a stream that both sides have ended. */
  forget({ id }: SpdyStream): void {
    this.streams.delete(id);
  }

  /** Says farewell to a client that broke the protocol. */
  async refuse(): Promise<void> {
    await this.options.send(controlFrame(TYPE.goAway, words(this.lastId, PROTOCOL_ERROR)));
  }
}

function numberAt(payload: Buffer, offset: number): number {
  if (payload.length < offset + 4) throw new SpdyError("a frame that ends too early");
  return payload.readUInt32BE(offset);
}
