import { Transform } from "node:stream";
import type { Duplex, Readable, Writable } from "node:stream";

/** What carries bytes to an agent's standard input and back: Docker's attach, an SSH channel, an API server's exec. */
export interface AgentTransport {
  input: Writable;
  output: Readable;
  /** The end of what came on its standard error, for people. */
  complaint(): string;
  /** Cuts it; the agent ends by itself when its input ends. */
  destroy(): void;
}

/** What python3 runs: the agent's source follows on standard input, its length in eight digits before it. Nothing is stored. */
export const agentCommand: readonly string[] = [
  "python3",
  "-I",
  "-S",
  "-c",
  [
    "import os",
    "def read(n):",
    "  data = b''",
    "  while len(data) < n:",
    "    chunk = os.read(0, n - len(data))",
    "    if not chunk: raise SystemExit(1)",
    "    data += chunk",
    "  return data",
    "exec(compile(read(int(read(8))), 'cnilab-agent', 'exec'))",
  ].join("\n"),
];

const COMPLAINT_LIMIT = 4000;
const HEADER = 8;
const STDERR = 2;

/**
 * Splits the stream of a container attached without a terminal: frames of a type byte, three zeros, the length in four
 * bytes (Docker Engine API, ContainerAttach). Standard output passes through.
 */
class DockerFrames extends Transform {
  complaint = "";
  private rest: Buffer = Buffer.alloc(0);

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    let data = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    while (data.length >= HEADER) {
      const end = HEADER + data.readUInt32BE(4);
      if (data.length < end) break;
      const body = data.subarray(HEADER, end);
      if (data[0] === STDERR) this.complaint = (this.complaint + body.toString("utf8")).slice(-COMPLAINT_LIMIT);
      else this.push(body);
      data = data.subarray(end);
    }
    this.rest = data;
    done();
  }
}

/** The transport of a container's hijacked attach stream. */
export function dockerTransport(stream: Duplex): AgentTransport {
  const frames = new DockerFrames();
  stream.pipe(frames);
  // A stream that is cut says nothing to the next of a pipe.
  stream.on("error", (error) => frames.destroy(error));
  stream.on("close", () => frames.end());
  return { input: stream, output: frames, complaint: () => frames.complaint.trim(), destroy: () => stream.destroy() };
}
