import { createConnection } from "node:net";
import type { Socket } from "node:net";
import { LabError } from "../../core/errors.ts";
import { lineSplitter } from "./protocol.ts";
import type { Answer, MethodName, Methods } from "./protocol.ts";

interface Pending {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** A connection to a lab process; every call rejects with LAB_PROCESS_GONE when the process ends before it answers. */
export class LabConnection {
  private readonly socket: Socket;
  private readonly pending = new Map<number, Pending>();
  private nextId = 1;
  private gone = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on(
      "data",
      lineSplitter((line) => this.answer(JSON.parse(line) as Answer)),
    );
    // "close" always follows and rejects what is pending.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.gone = true;
      for (const { reject } of this.pending.values()) reject(goneError());
      this.pending.clear();
    });
  }

  /** Connects to a control socket's path; rejects with LAB_NOT_RUNNING when nobody listens there. */
  static async open(path: string): Promise<LabConnection> {
    const socket = createConnection(path);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", (cause) => {
        reject(
          new LabError("LAB_NOT_RUNNING", "the lab is not running", {
            hint: "cnilab up LAB starts it",
            cause,
          }),
        );
      });
    });
    return new LabConnection(socket);
  }

  private answer(answer: Answer): void {
    const pending = this.pending.get(answer.id);
    if (pending === undefined) return;
    this.pending.delete(answer.id);
    if ("error" in answer)
      pending.reject(new LabError(answer.error.code, answer.error.message, { hint: answer.error.hint }));
    else pending.resolve(answer.result);
  }

  call<Name extends MethodName>(
    method: Name,
    params: Methods[Name]["params"],
    signal?: AbortSignal,
  ): Promise<Methods[Name]["result"]> {
    if (this.gone) return Promise.reject(goneError());
    if (signal?.aborted === true) return Promise.reject(abortError());
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.pending.delete(id);
        this.send({ cancel: id });
        reject(abortError());
      };
      const settle = (): void => signal?.removeEventListener("abort", onAbort);
      this.pending.set(id, {
        resolve: (result) => {
          settle();
          resolve(result as Methods[Name]["result"]);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
      signal?.addEventListener("abort", onAbort, { once: true });
      this.send({ id, method, params });
    });
  }

  private send(message: object): void {
    this.socket.write(`${JSON.stringify(message)}\n`);
  }

  /** Resolves once the socket is closed by either side. */
  async close(): Promise<void> {
    if (this.gone) return;
    const closed = new Promise<void>((resolve) => this.socket.once("close", () => resolve()));
    this.socket.end();
    await closed;
  }

  /** Resolves when the lab process has closed its end. */
  async untilGone(): Promise<void> {
    if (this.gone) return;
    await new Promise<void>((resolve) => this.socket.once("close", () => resolve()));
  }
}

function goneError(): LabError {
  return new LabError("LAB_PROCESS_GONE", "the lab process ended before it answered", {
    hint: "its log is in the lab's state folder; cnilab status shows what is left, cnilab down LAB removes it",
  });
}

function abortError(): LabError {
  return new LabError("ABORTED", "interrupted");
}
