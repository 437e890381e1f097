import { PassThrough, Writable } from "node:stream";
import type { KubeConfig } from "@kubernetes/client-node";
import { LabError } from "../../../core/errors.ts";
import type { ApiConnection } from "../api/connection.ts";
import type { AgentTransport } from "./transport.ts";

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;
/** A meta/v1 Status, when the command has ended. */
const ENDED = 3;
const COMPLAINT_LIMIT = 4000;
/** What is sent in one message; servers may limit them. */
const MESSAGE = 16 << 10;

/** What is used of `ws`, whose types do not come with @kubernetes/client-node. */
interface Socket {
  send(data: Buffer, done: (error?: Error) => void): void;
  close(): void;
  terminate(): void;
  onclose: () => void;
  onerror: (event: { message: string }) => void;
}

export interface ExecTarget {
  namespace: string;
  pod: string;
  container: string;
  command: readonly string[];
}

/**
 * Runs a command in a pod over the API server's exec (WebSocket, v5.channel.k8s.io or v4.channel.k8s.io: KEP-4006). Each message
 * begins with its stream's number. Rejects with API_EXEC_REFUSED.
 */
export async function execTransport(connection: ApiConnection, target: ExecTarget): Promise<AgentTransport> {
  const { Exec } = await import("@kubernetes/client-node");
  // All that its handler asks of a configuration: credentials are those of every other request.
  const config = {
    getCurrentCluster: () => ({ server: connection.server }),
    applyToHTTPSOptions: async (options: object) => void Object.assign(options, await connection.channelOptions()),
  } as unknown as KubeConfig;
  const { namespace, pod, container, command } = target;
  const query = new URLSearchParams({ container, stdin: "true", stdout: "true", stderr: "true" });
  for (const word of command) query.append("command", word);
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/exec?${query.toString()}`;
  const output = new PassThrough();
  let complaint = "";
  const complain = (text: string): void => {
    complaint = (complaint + text).slice(-COMPLAINT_LIMIT);
  };
  const onMessage = (stream: number, data: Buffer): boolean => {
    if (stream === STDOUT) output.write(data);
    else if (stream === STDERR) complain(data.toString("utf8"));
    else if (stream === ENDED) complain(failureIn(data));
    return true;
  };
  try {
    const socket = (await new Exec(config).handler.connect(path, null, onMessage)) as unknown as Socket;
    socket.onclose = () => output.end();
    socket.onerror = ({ message }) => complain(message);
    const send = (bytes: Buffer, done: (error?: Error | null) => void): void => {
      const part = bytes.subarray(0, MESSAGE);
      const rest = bytes.subarray(MESSAGE);
      socket.send(Buffer.concat([Buffer.of(STDIN), part]), (error) => {
        if (error || rest.length === 0) done(error);
        else send(rest, done);
      });
    };
    return {
      input: new Writable({
        write: (chunk: Buffer, _encoding, done) => send(chunk, done),
        final: (done) => {
          socket.close();
          done();
        },
      }),
      output,
      complaint: () => complaint.trim(),
      destroy: () => socket.terminate(),
    };
  } catch (cause) {
    const reason = (cause as { message?: unknown }).message;
    throw new LabError(
      "API_EXEC_REFUSED",
      `the API server does not run a command in pod ${namespace}/${pod}: ${typeof reason === "string" ? reason : String(cause)}`,
      { cause, hint: "the kubeconfig's user needs the right to create pods/exec" },
    );
  }
}

/** Why a command could not be started, or how it ended where it did not end well. */
function failureIn(data: Buffer): string {
  const { status, message } = JSON.parse(data.toString("utf8")) as { status?: string; message?: string };
  return status === "Failure" ? (message ?? "") : "";
}
