import { once } from "node:events";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import type { Client } from "ssh2";
import { asError } from "../../core/as-error.ts";
import { LabError } from "../../core/errors.ts";
import { makeVisible } from "../../core/visible-text.ts";
import type { Answers } from "./answers.ts";
import { Authentication } from "./authentication.ts";
import { judgeHostKey, preferKnown } from "./known-hosts.ts";
import type { KnownKey } from "./known-hosts.ts";
import { openProxy } from "./proxy-command.ts";
import type { Hop } from "./ssh-config.ts";
import { supported } from "./algorithms.ts";

/** Silence is noticed after this many unanswered questions and one more interval. */
const ALIVE_COUNT = 2;
const BANNER_LIMIT = 4000;

export interface DialOptions {
  answers: Answers;
  environment: Record<string, string | undefined>;
  silenceMs: number;
  signal: AbortSignal | undefined;
}

/** sshd closed before it began: too many connections were being opened (MaxStartups of sshd_config(5)). */
export class Turned extends Error {}

/** A time limit that stands still while a person is asked. */
class Limit {
  private timer: NodeJS.Timeout | undefined;
  private readonly ms: number;
  private readonly end: () => void;

  constructor(ms: number, end: () => void) {
    this.ms = ms;
    this.end = end;
    this.restart();
  }

  restart(): void {
    this.stop();
    this.timer = setTimeout(this.end, this.ms);
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  readonly paused = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    this.stop();
    try {
      return await work();
    } finally {
      this.restart();
    }
  };
}

/** The stream to a hop's sshd where there is no hop before it. */
export async function openStream(hop: Hop, signal: AbortSignal | undefined): Promise<Duplex> {
  if (hop.proxyCommand !== undefined) return openProxy(hop.proxyCommand);
  const { host, port, family, bindAddress } = hop;
  const socket = connect({
    host,
    port,
    family,
    ...(bindAddress !== undefined && { localAddress: bindAddress }),
    // Small packets must not wait for each other's acknowledgement.
    noDelay: true,
  });
  const limit = AbortSignal.timeout(hop.connectTimeoutMs);
  try {
    await once(socket, "connect", { signal: signal === undefined ? limit : AbortSignal.any([signal, limit]) });
    // Between here and ssh2's listeners, an error must not bring the process down.
    socket.on("error", () => undefined);
    return socket;
  } catch (error) {
    socket.destroy();
    signal?.throwIfAborted();
    const why = limit.aborted ? `no answer within ${hop.connectTimeoutMs / 1000} s` : reasonOf(error);
    throw unreachable(hop, why, error);
  }
}

/** AggregateError of several addresses has no words of its own. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map((each) => asError(each).message).join(", ");
  return asError(error).message;
}

function unreachable(hop: Hop, why: string, cause?: unknown): LabError {
  return new LabError("SSH_UNREACHABLE", `${hop.label}: no SSH connection: ${makeVisible(why)}`, {
    hint: `is it on, and does sshd listen on port ${hop.port}? Try: ssh -v -p ${hop.port} ${hop.user}@${hop.host}`,
    cause,
  });
}

/**
 * Key exchange, host key and login on a stream. Rejects with {@link Turned} where the server closed before all that, SSH_UNREACHABLE,
 * SSH_HOST_KEY or SSH_AUTH; the stream is closed then.
 */
export async function dial(
  hop: Hop,
  known: readonly KnownKey[],
  stream: Duplex,
  options: DialOptions,
): Promise<Client> {
  const { answers, signal } = options;
  const { Client: SshClient } = (await import("ssh2")).default;
  // ssh2 would wait for a stream that has broken already.
  if (stream.destroyed) throw new Turned("the connection was reset");
  const client = new SshClient();
  let refusal: LabError | undefined;
  let hasKeys = false;
  let banner = "";
  let limit: Limit | undefined;
  let onAbort = (): void => undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      const late = (): void =>
        reject(
          unreachable(
            hop,
            `it did not ${hasKeys ? "answer the login" : "finish the key exchange"} in ${hop.connectTimeoutMs / 1000} s`,
          ),
        );
      limit = new Limit(hop.connectTimeoutMs, late);
      onAbort = () => reject(signal?.reason as Error);
      signal?.addEventListener("abort", onAbort, { once: true });
      const authentication = new Authentication(hop, answers, limit);
      const failed = (error: Error & { level?: string; code?: unknown }): void => {
        // One way to log in less; the next is tried.
        if (error.level === "agent") authentication.tried.push(`agent refused: ${error.message}`);
        else if (refusal !== undefined) reject(refusal);
        else if (error.level === "client-authentication" || hasKeys) {
          if (error.level !== "client-authentication") authentication.tried.push(`then: ${error.message}`);
          reject(authentication.failure(banner));
        } else if (wasTurned(error)) reject(new Turned(error.message));
        else reject(unreachable(hop, error.message, error));
      };
      client
        .on("banner", (text) => (banner = (banner + text).slice(0, BANNER_LIMIT)))
        .on("greeting", (text) => (banner = (banner + text).slice(0, BANNER_LIMIT)))
        .on("handshake", () => {
          hasKeys = true;
          limit?.restart();
        })
        .on("ready", resolve)
        .on("error", failed)
        .on("close", () => failed(new Error("the server closed the connection")));
      const alive = hop.serverAlive ?? { intervalMs: options.silenceMs / (ALIVE_COUNT + 1), count: ALIVE_COUNT };
      client.connect({
        sock: stream,
        username: hop.user,
        readyTimeout: 0,
        keepaliveInterval: alive.intervalMs,
        keepaliveCountMax: alive.count,
        algorithms: supported({ ...hop.algorithms, hostKey: preferKnown(hop.algorithms.hostKey, known) }, hop),
        authHandler: authentication.handler,
        hostVerifier: (blob: Buffer) => {
          refusal = judgeHostKey(blob, hop, known);
          return refusal === undefined;
        },
      });
    });
    return client;
  } catch (error) {
    client.destroy();
    stream.destroy();
    throw error;
  } finally {
    limit?.stop();
    // A server that turns us away is dialled many times.
    signal?.removeEventListener("abort", onAbort);
  }
}

/** Before anything was agreed on; a server that talks nonsense is another matter. */
function wasTurned({ message, code }: Error & { code?: unknown }): boolean {
  return code === "ECONNRESET" || code === "EPIPE" || /lost before handshake|closed the connection/.test(message);
}
