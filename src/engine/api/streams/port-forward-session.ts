import type { Socket } from "node:net";
import type { Pod } from "../../../kube/types.ts";
import type { SpdyStream } from "../spdy/spdy-session.ts";
import { serveSpdy, type Carrier } from "./carrier.ts";
import type { PodAccess } from "./pod-access.ts";

/** Connections through one `kubectl port-forward` at once; each has two streams. */
const MOST_CONNECTIONS = 200;

/** A connection that its client is opening: its two streams come one after the other, under one number. */
interface Pair {
  error?: SpdyStream;
  data?: SpdyStream;
}

/** Carries connections to ports of the pod's own loopback, until the client goes (kubelet portforward/httpstream.go). */
export async function runPortForward(access: PodAccess, pod: Pod, carrier: Carrier): Promise<void> {
  const pairs = new Map<string, Pair>();
  const session = serveSpdy(carrier, (stream) => {
    const [type, port, id] = ["streamtype", "port", "requestid"].map((name) => stream.headers.get(name) ?? "");
    if ((type !== "error" && type !== "data") || !isPort(port) || id === undefined) return false;
    const pair = pairs.get(id) ?? {};
    if (pair[type] !== undefined || pairs.size >= MOST_CONNECTIONS) return false;
    pair[type] = stream;
    pairs.set(id, pair);
    const { error, data } = pair;
    if (error === undefined || data === undefined) return true;
    const over = (): void => {
      pairs.delete(id);
      session.forget(error);
      session.forget(data);
    };
    void carry(access.connect(pod, Number(port)), pod, Number(port), error, data).then(over, failed);
    return true;
  });
  const failed = (cause: unknown): void => {
    process.stderr.write(`API: ${cause instanceof Error ? cause.stack : String(cause)}\n`);
    carrier.destroy();
  };
  await carrier.closed;
}

function isPort(text: string | undefined): boolean {
  return text !== undefined && /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
}

/** How a connection that was made may end. */
const ENDS: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE"]);

/**
 * Resolves when the connection is over, which both streams are told. The error stream is told of a connection that could not be made, and of
 * nothing else: at its first word kubectl gives up all that it forwards.
 */
async function carry(
  connection: Socket,
  { metadata: { name, uid = "" } }: Pod,
  port: number,
  error: SpdyStream,
  data: SpdyStream,
): Promise<void> {
  let failure: NodeJS.ErrnoException | undefined;
  connection.on("error", (cause: NodeJS.ErrnoException) => {
    if (!ENDS.has(cause.code ?? "")) failure = cause;
  });
  const closed = new Promise<void>((resolve) => connection.once("close", () => resolve()));
  data.onData = async (bytes) => {
    if (connection.destroyed || connection.write(bytes)) return;
    await Promise.race([closed, new Promise<void>((resolve) => connection.once("drain", resolve))]);
  };
  data.onEnd = () => connection.end();
  data.onReset = () => connection.destroy();
  try {
    // A loop over the socket itself would take down the other direction, too, when the pod has ended its own.
    const pieces = connection.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
    for await (const piece of pieces) if (!(await data.write(piece))) connection.destroy();
  } catch (cause) {
    // The socket's own error is known; else it was destroyed here, since nobody wants more of it.
    if (!connection.destroyed) throw cause;
  }
  data.end();
  // A client that goes on sending when the pod has ended its side is heard out.
  await closed;
  if (failure !== undefined) {
    const what = `error forwarding port ${port} to pod ${name}, uid ${uid}: ${failure.message}`;
    await error.write(Buffer.from(what));
  }
  error.end();
}
