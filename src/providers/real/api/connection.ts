import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { setTimeout as pause } from "node:timers/promises";
import { LabError } from "../../../core/errors.ts";
import type { ApiAccess } from "./access.ts";
import { ApiError, isEtcdBehind } from "./api-error.ts";

export interface ApiRequest {
  method: "GET" | "PATCH" | "PUT" | "DELETE" | "POST";
  /** Begins with /api or /apis. */
  path: string;
  query?: Record<string, string | undefined>;
  body?: unknown;
  contentType?: string;
  accept?: string;
  signal?: AbortSignal | undefined;
  /** Default 30 s; none for streams. */
  timeoutMs?: number;
}

export interface ApiReply {
  status: number;
  /** Parsed where it is JSON. */
  body: unknown;
  /** Texts of the Warning headers (RFC 7234 section 5.5, KEP-1693). */
  warnings: string[];
}

/** How much of an answer is taken in. */
export interface ApiBounds {
  /** Bytes of a whole answer; a page of 500 objects has a few MiB. */
  answerBytes: number;
  /** Characters of one line of a stream; etcd keeps no object of more than 1.5 MiB. */
  lineLength: number;
}

const REQUEST_TIMEOUT_MS = 30_000;
/** How long an etcd that is behind is waited for. */
const ETCD_BEHIND_MS = 30_000;
const ETCD_AGAIN_MS = 500;
const BOUNDS: ApiBounds = { answerBytes: 256 << 20, lineLength: 16 << 20 };

/** Requests to one API server over connections that are kept. */
export class ApiConnection {
  private readonly access: ApiAccess;
  private readonly bounds: ApiBounds;

  constructor(access: ApiAccess, bounds: ApiBounds = BOUNDS) {
    this.access = access;
    this.bounds = bounds;
  }

  get server(): string {
    return this.access.server;
  }

  /** Agent and headers for a channel of somebody else's making. */
  channelOptions(): ReturnType<ApiAccess["options"]> {
    return this.access.options();
  }

  /**
   * Rejects with API_REFUSED, API_FORBIDDEN (both {@link ApiError}), API_UNREACHABLE, API_ANSWER_TOO_LARGE, or the signal's
   * reason. While etcd is behind, as it is while a cluster is made on a slow disk, what may be asked twice is asked again for half a
   * minute.
   */
  async send(request: ApiRequest): Promise<ApiReply> {
    const until = performance.now() + ETCD_BEHIND_MS;
    for (;;) {
      try {
        return await this.sendOnce(request);
      } catch (error) {
        const mayRepeat = request.method !== "POST" && isEtcdBehind(error) && performance.now() < until;
        if (!mayRepeat) throw error;
        await pause(ETCD_AGAIN_MS);
        request.signal?.throwIfAborted();
      }
    }
  }

  private async sendOnce(request: ApiRequest): Promise<ApiReply> {
    const timeout = AbortSignal.timeout(request.timeoutMs ?? REQUEST_TIMEOUT_MS);
    const signal = request.signal === undefined ? timeout : AbortSignal.any([request.signal, timeout]);
    try {
      const response = await this.open(request, signal);
      const body = await this.bodyOf(response, request);
      const status = response.statusCode ?? 0;
      if (status >= 400) throw new ApiError(status, body, `${request.method} ${request.path}`);
      return { status, body, warnings: (response.headersDistinct["warning"] ?? []).map(warningText) };
    } catch (error) {
      request.signal?.throwIfAborted();
      throw this.explained(error, timeout.aborted);
    }
  }

  /**
   * Hands over each line of an answer that goes on until the server or the signal ends it, after `onOpen` once it
   * begins. Resolves at the server's end; rejects like {@link send}.
   */
  async stream(request: ApiRequest & { signal: AbortSignal }, onLine: (line: string) => void): Promise<void> {
    try {
      const response = await this.open(request, request.signal);
      const status = response.statusCode ?? 0;
      if (status >= 400) {
        throw new ApiError(status, await this.bodyOf(response, request), `${request.method} ${request.path}`);
      }
      let rest = "";
      response.setEncoding("utf8");
      for await (const chunk of response) {
        const lines = (rest + (chunk as string)).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) if (line !== "") onLine(line);
        if (rest.length > this.bounds.lineLength) throw tooLarge(request, `a line of ${rest.length} characters`);
      }
    } catch (error) {
      request.signal.throwIfAborted();
      throw this.explained(error, false);
    }
  }

  close(): void {
    this.access.close();
  }

  private async bodyOf(response: IncomingMessage, request: ApiRequest): Promise<unknown> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response) {
      chunks.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      // What leaves the loop ends the response, and with it the connection.
      if (bytes > this.bounds.answerBytes) throw tooLarge(request, `more than ${this.bounds.answerBytes} bytes`);
    }
    const text = Buffer.concat(chunks).toString("utf8");
    return response.headers["content-type"]?.startsWith("application/json") === true
      ? (JSON.parse(text) as unknown)
      : text;
  }

  private async open(request: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const { agent, headers } = await this.access.options();
    const url = new URL(this.access.server + request.path);
    for (const [key, value] of Object.entries(request.query ?? {}))
      if (value !== undefined) url.searchParams.set(key, value);
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    const options = {
      method: request.method,
      signal,
      headers: {
        ...headers,
        accept: request.accept ?? "application/json",
        "user-agent": "cnilab",
        ...(body === undefined
          ? {}
          : { "content-type": request.contentType ?? "application/json", "content-length": Buffer.byteLength(body) }),
      },
      ...(agent === undefined ? {} : { agent }),
    };
    const attempt = (): Promise<IncomingMessage> =>
      new Promise((resolve, reject) => {
        const sent = (url.protocol === "http:" ? httpRequest : httpsRequest)(url, options, resolve);
        sent.on("error", (error) => reject(sent.reusedSocket && isReset(error) ? new StaleSocket() : error));
        sent.end(body);
      });
    try {
      return await attempt();
    } catch (error) {
      // The server closed an idle connection just as it was used again; all that is sent here may be sent twice.
      if (error instanceof StaleSocket) return attempt();
      throw error;
    }
  }

  private explained(error: unknown, isTimeout: boolean): Error {
    if (error instanceof LabError) return error;
    const cause = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
    const reason = isTimeout ? "no answer in time" : cause instanceof Error ? cause.message : String(cause);
    return new LabError("API_UNREACHABLE", `the API server at ${this.access.server} cannot be reached: ${reason}`, {
      cause: error,
      hint: "is the cluster running?",
    });
  }
}

class StaleSocket extends Error {}

function isReset(error: NodeJS.ErrnoException): boolean {
  return error.code === "ECONNRESET" || error.code === "EPIPE";
}

function tooLarge({ method, path }: ApiRequest, how: string): LabError {
  return new LabError("API_ANSWER_TOO_LARGE", `${method} ${path}: the API server's answer has ${how}`);
}

/** The text of `299 - "text"`. */
function warningText(header: string): string {
  const [, quoted] = /^\d{3} \S+ ("(?:[^"\\]|\\.)*")/.exec(header) ?? [];
  return quoted === undefined ? header : quoted.slice(1, -1).replaceAll(/\\(.)/g, "$1");
}
