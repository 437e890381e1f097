import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import { constants, createDeflate, type Deflate } from "node:zlib";
import { SPDY_DICTIONARY } from "../src/engine/api/spdy/dictionary.ts";
import { controlFrame, dataFrame, FLAG_FIN, FrameReader, TYPE, words } from "../src/engine/api/spdy/frames.ts";

/** Header blocks as a client sends them: one zlib stream, flushed after each. */
export class HeaderWriter {
  private readonly deflate: Deflate = createDeflate({ dictionary: SPDY_DICTIONARY });

  async block(headers: Record<string, string>): Promise<Buffer> {
    const text = (value: string): Buffer => Buffer.concat([words(value.length), Buffer.from(value, "latin1")]);
    const pairs = Object.entries(headers).flatMap(([name, value]) => [text(name), text(value)]);
    this.deflate.write(Buffer.concat([words(pairs.length / 2), ...pairs]));
    await new Promise<void>((resolve) => this.deflate.flush(constants.Z_SYNC_FLUSH, resolve));
    return this.deflate.read() as Buffer;
  }
}

/** The frame that opens a stream. */
export const opening = (id: number, block: Buffer, flags = 0): Buffer =>
  controlFrame(TYPE.synStream, Buffer.concat([words(id, 0), Buffer.alloc(2), block]), flags);

/** A client of SPDY/3.1 on a connection of its own, after an upgrade by HTTP. */
export class SpdyClient {
  readonly socket: TLSSocket;
  private readonly headers = new HeaderWriter();
  private nextId = 1;
  /** By stream: what came on it. */
  readonly heard = new Map<number, string>();
  /** Streams that the server ended, and those that it refused. */
  readonly finished = new Set<number>();
  readonly refused = new Set<number>();
  readonly closed: Promise<void>;

  private constructor(socket: TLSSocket) {
    this.socket = socket;
    const frames = new FrameReader();
    socket.on("data", (bytes: Buffer) => {
      for (const frame of frames.read(bytes)) {
        if (frame.kind === "control") {
          if (frame.type === TYPE.rstStream) this.refused.add(frame.payload.readUInt32BE(0));
          continue;
        }
        this.heard.set(frame.streamId, (this.heard.get(frame.streamId) ?? "") + frame.payload.toString());
        if ((frame.flags & FLAG_FIN) !== 0) this.finished.add(frame.streamId);
      }
    });
    socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
  }

  /** The head of the answer, and a client where it is 101. */
  static async upgrade(
    at: { port: number; ca: string },
    path: string,
    headers: Record<string, string>,
    method = "POST",
  ): Promise<{ head: string; client: SpdyClient }> {
    const socket = connect({ host: "127.0.0.1", ...at });
    await once(socket, "secureConnect");
    const all = { Host: "a", Connection: "Upgrade", Upgrade: "SPDY/3.1", "Content-Length": "0", ...headers };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
    const [bytes] = (await once(socket, "data")) as [Buffer];
    return { head: bytes.toString(), client: new SpdyClient(socket) };
  }

  async open(headers: Record<string, string>): Promise<number> {
    const id = this.nextId;
    this.nextId += 2;
    this.socket.write(opening(id, await this.headers.block(headers)));
    return id;
  }

  send(id: number, text: string, flags = 0): void {
    this.socket.write(dataFrame(id, Buffer.from(text), flags));
  }
}
