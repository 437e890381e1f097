import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

/** What two streams brought. */
export interface Output {
  stdout: Buffer;
  stderr: Buffer;
}

/** Reads both streams to their end. `onTooMuch` is called once, where either has more than `limit` bytes; the rest is thrown away. */
export async function collect(
  streams: { stdout: Readable; stderr: Readable },
  limit: number,
  onTooMuch: () => void,
  onOutput: ((text: string, stream: "out" | "err") => void) | undefined,
): Promise<Output> {
  const [stdout, stderr] = await Promise.all([
    readAll(streams.stdout, limit, onTooMuch, onOutput && ((text) => onOutput(text, "out"))),
    readAll(streams.stderr, limit, onTooMuch, onOutput && ((text) => onOutput(text, "err"))),
  ]);
  return { stdout, stderr };
}

function readAll(
  stream: Readable,
  limit: number,
  onTooMuch: () => void,
  onText: ((text: string) => void) | undefined,
): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const decoder = onText && new StringDecoder("utf8");
    const finish = (): void => resolve(Buffer.concat(chunks));
    stream.on("data", (chunk: Buffer) => {
      if (size > limit) return;
      size += chunk.length;
      if (size > limit) return onTooMuch();
      chunks.push(chunk);
      const text = decoder?.write(chunk) ?? "";
      if (text !== "") onText?.(text);
    });
    stream.once("end", finish);
    stream.once("close", finish);
    stream.once("error", finish);
  });
}
