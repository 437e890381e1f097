import { createServer } from "node:net";
import type { Socket } from "node:net";
import { LabError } from "../../../core/errors.ts";
import { JsonText, lineSplitter } from "../protocol.ts";
import type { Answer, Call, Cancel, MethodName, Methods, WireError } from "../protocol.ts";

/**
 * One function a method; `signal` aborts when the client cancels the call or goes away before the answer, `gone` when the
 * client goes away, also long after.
 */
export type Handlers = {
  [Name in MethodName]: (
    params: Methods[Name]["params"],
    signal: AbortSignal,
    gone: AbortSignal,
  ) => Promise<HandlerResult<Name>> | HandlerResult<Name>;
};

type HandlerResult<Name extends MethodName> = Methods[Name]["result"] | JsonText<Methods[Name]["result"]>;

function wireError(error: unknown): WireError {
  if (error instanceof LabError) {
    return {
      code: error.code,
      message: error.message,
      ...(error.hint !== undefined && { hint: error.hint }),
    };
  }
  // Not foreseen: its stack is what a bug report needs, and the log keeps it.
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  return {
    code: "LAB_PROCESS_FAULT",
    message: error instanceof Error ? error.message : String(error),
  };
}

function interrupted(): LabError {
  return new LabError("ABORTED", "interrupted");
}

/** Throws on what is neither a call nor a cancellation. */
function parseMessage(line: string): Call | Cancel {
  const message: unknown = JSON.parse(line);
  if (typeof message === "object" && message !== null) {
    if ("cancel" in message && typeof message.cancel === "number") return message as Cancel;
    if ("id" in message && typeof message.id === "number" && "method" in message && typeof message.method === "string")
      return message as unknown as Call;
  }
  throw new Error("a line is neither a call nor a cancellation");
}

function textOf(message: Answer): string {
  return "result" in message && message.result instanceof JsonText
    ? `{"id":${message.id},"result":${message.result.text}}`
    : JSON.stringify(message);
}

function serveConnection(socket: Socket, handlers: Handlers): void {
  const running = new Map<number, AbortController>();
  const gone = new AbortController();
  const answer = (message: Answer): void => {
    if (socket.writable) socket.write(`${textOf(message)}\n`);
  };
  const dispatch = async (call: Call): Promise<void> => {
    const abort = new AbortController();
    running.set(call.id, abort);
    try {
      if (!Object.hasOwn(handlers, call.method))
        throw new LabError("UNKNOWN_METHOD", `the lab has no method ${call.method}`);
      const handler = handlers[call.method] as (...given: [unknown, AbortSignal, AbortSignal]) => unknown;
      answer({ id: call.id, result: (await handler(call.params, abort.signal, gone.signal)) ?? null });
    } catch (error) {
      answer({ id: call.id, error: wireError(error) });
    } finally {
      running.delete(call.id);
    }
  };
  const split = lineSplitter((line) => {
    const message = parseMessage(line);
    if ("cancel" in message) running.get(message.cancel)?.abort(interrupted());
    else void dispatch(message);
  });
  socket.on("data", (chunk) => {
    try {
      split(chunk);
    } catch (error) {
      // What follows on this connection cannot be understood either; other clients are not concerned.
      process.stderr.write(`control socket: ${error instanceof Error ? error.message : String(error)}\n`);
      socket.destroy();
    }
  });
  // "close" follows an error.
  socket.on("error", () => undefined);
  socket.on("close", () => {
    for (const abort of running.values()) abort.abort(interrupted());
    gone.abort(interrupted());
  });
}

/** Serves the control socket whose listening descriptor the launcher handed over. */
export function serveControl(listenerFd: number, handlers: Handlers): void {
  const server = createServer((socket) => serveConnection(socket, handlers));
  server.listen({ fd: listenerFd });
}
