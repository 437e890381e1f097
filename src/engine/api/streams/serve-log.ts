import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Pod } from "../../../kube/types.ts";
import type { Clock } from "../../clock.ts";
import type { LogPart } from "../../servers/access-log.ts";
import type { ObjectStore } from "../../store/store.ts";
import { ApiError, badRequest } from "../api-error.ts";
import type { ResourcePath } from "../request-path.ts";
import { logOptionsOf, logText, wantedLines, type LogOptions } from "./log-options.ts";
import type { PodAccess } from "./pod-access.ts";
import { containerOf, podOf } from "./pod-of-request.ts";

/** Logs that are followed at once. */
const MOST_FOLLOWED = 100;

/** Answers requests for logs: what the modelled servers of a container wrote. */
export class LogRequests {
  private readonly store: ObjectStore;
  private readonly access: PodAccess;
  private readonly clock: Clock;
  private followed = 0;

  constructor(store: ObjectStore, access: PodAccess, clock: Clock) {
    this.store = store;
    this.access = access;
    this.clock = clock;
  }

  /** Throws ApiError until the first bytes are sent. */
  async serve(
    path: ResourcePath,
    query: URLSearchParams,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    if (request.method !== "GET")
      throw new ApiError("MethodNotAllowed", "the server does not allow this method on the requested resource");
    const pod = podOf(this.store, path);
    const options = logOptionsOf(query, this.clock.nowMs());
    const { name } = containerOf(pod, options.container);
    if (options.follow && this.followed >= MOST_FOLLOWED)
      throw new ApiError("TooManyRequests", `this lab follows ${MOST_FOLLOWED} logs at once`, { retryAfterSeconds: 1 });
    const part = await this.access.readLog(pod, name, options.previous);
    if (part === undefined) throw notThere(pod, name, options.previous);
    response.writeHead(200, { "Content-Type": "text/plain" });
    // kubectl waits for the headers of a log that has no line yet.
    response.flushHeaders();
    const writer = new Writer(response, options.limitBytes);
    const isOpen = await writer.write(logText(wantedLines(part.lines, options), undefined, options.timestamps));
    if (isOpen && options.follow && !part.isOver) await this.follow(pod, name, part, options, writer);
    response.end();
  }

  private async follow(pod: Pod, name: string, from: LogPart, options: LogOptions, writer: Writer): Promise<void> {
    this.followed += 1;
    try {
      let after = from.lines.at(-1)?.number ?? 0;
      for (;;) {
        const { lines, isOver } = await this.access.followLog(pod, name, after, writer.gone);
        if (!(await writer.write(logText(lines, after, options.timestamps))) || isOver) return;
        after = lines.at(-1)?.number ?? after;
      }
    } finally {
      this.followed -= 1;
    }
  }
}

/** Writes no faster than the client reads, and no more than it asked for. */
class Writer {
  private readonly response: ServerResponse;
  private left: number;
  private readonly abort = new AbortController();
  /** Aborted when the client is gone. */
  readonly gone = this.abort.signal;

  constructor(response: ServerResponse, limitBytes = Number.POSITIVE_INFINITY) {
    this.response = response;
    this.left = limitBytes;
    response.once("close", () => this.abort.abort());
  }

  /** False where nothing more is wanted. */
  async write(text: string): Promise<boolean> {
    const bytes = Buffer.from(text).subarray(0, this.left);
    this.left -= bytes.length;
    if (!this.gone.aborted && bytes.length > 0 && !this.response.write(bytes)) {
      await once(this.response, "drain", { signal: this.gone }).catch((error: unknown) => {
        if (!this.gone.aborted) throw error;
      });
    }
    return !this.gone.aborted && this.left > 0;
  }
}

/** As a kubelet answers (kubelet ValidateContainerLogStatus). */
function notThere({ metadata: { name: podName }, status }: Pod, name: string, isPrevious: boolean): ApiError {
  if (isPrevious) return badRequest(`previous terminated container "${name}" in pod "${podName}" not found`);
  const waiting = status?.containerStatuses?.find((each) => each.name === name)?.state["waiting"];
  const { reason = "PodInitializing" } = (waiting ?? {}) as { reason?: string };
  return badRequest(`container "${name}" in pod "${podName}" is waiting to start: ${reason}`);
}
