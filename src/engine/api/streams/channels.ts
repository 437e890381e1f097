import type { Readable, Writable } from "node:stream";

/** Their numbers are the first byte of every message over WebSocket (apimachinery remotecommand/constants.go); over SPDY they have names. */
export const CHANNELS = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;

/** Numbered channels in one connection, each way as fast as the other side reads. */
export interface Channels {
  /** Resolves when the connection is over, by whatever cause. */
  readonly closed: Promise<void>;
  /** What comes on the channel goes into `stream`, which holds the client up while it is full; its end ends the stream. Without one it goes nowhere. */
  input(channel: number, stream: Writable | undefined): void;
  /** Each message of the channel, which is short by its nature. */
  onText(channel: number, take: (text: string) => void): void;
  /** Resolves when the kernel has taken it: false where the client is gone. */
  send(channel: number, data: Uint8Array | string): Promise<boolean>;
  /** Ends the connection in the way of the protocol; a client that does not answer is cut off. */
  close(): void;
}

/** Sends all that `stream` gives, a piece at a time; resolves at its end, or when nobody is there any more. */
export async function sendAll(channels: Channels, channel: number, stream: Readable): Promise<void> {
  try {
    for await (const piece of stream as AsyncIterable<Buffer>) if (!(await channels.send(channel, piece))) return;
  } catch (error) {
    // The stream of a command that is killed ends before its end.
    if ((error as NodeJS.ErrnoException).code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
  }
}
