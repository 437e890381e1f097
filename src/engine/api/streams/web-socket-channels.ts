import type { Writable } from "node:stream";
import { WebSocket, type RawData } from "ws";
import type { Channels } from "./channels.ts";
import { untilClosed } from "./until-closed.ts";

/** Of version 5: the second byte is a channel that ends. */
const CLOSE = 255;

/** Channels over WebSocket: a message's first byte says whose it is (KEP-4006). */
export class WebSocketChannels implements Channels {
  private readonly socket: WebSocket;
  private readonly inputs = new Map<number, Writable>();
  private readonly messages = new Map<number, (text: string) => void>();
  readonly closed: Promise<void>;

  constructor(socket: WebSocket) {
    this.socket = socket;
    this.closed = untilClosed(socket);
    socket.on("message", (data: RawData) => this.take(data as Buffer));
  }

  input(channel: number, stream: Writable | undefined): void {
    if (stream === undefined) return;
    // A command may end without reading its input.
    stream.on("error", () => this.drop(channel));
    stream.on("close", () => this.drop(channel));
    this.inputs.set(channel, stream);
  }

  onText(channel: number, take: (text: string) => void): void {
    this.messages.set(channel, take);
  }

  send(channel: number, data: Uint8Array | string): Promise<boolean> {
    if (this.socket.readyState !== WebSocket.OPEN) return Promise.resolve(false);
    const message = Buffer.concat([Buffer.of(channel), typeof data === "string" ? Buffer.from(data) : data]);
    return new Promise((resolve) =>
      this.socket.send(message, (error) => resolve(error === undefined || error === null)),
    );
  }

  close(): void {
    this.socket.resume();
    this.socket.close(1000);
  }

  private take(message: Buffer): void {
    const [channel, ended] = message;
    if (channel === undefined) return;
    if (channel === CLOSE) {
      if (ended !== undefined) this.inputs.get(ended)?.end();
      return;
    }
    const data = message.subarray(1);
    this.messages.get(channel)?.(data.toString());
    const stream = this.inputs.get(channel);
    if (stream === undefined || !stream.writable || data.length === 0 || stream.write(data)) return;
    this.socket.pause();
    stream.once("drain", () => this.socket.resume());
  }

  private drop(channel: number): void {
    this.inputs.delete(channel);
    this.socket.resume();
  }
}
