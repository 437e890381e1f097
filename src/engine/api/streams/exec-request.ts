import { badRequest } from "../api-error.ts";
import { flagOf } from "./pod-of-request.ts";

/** What a request for a command asks for (core/v1 PodExecOptions). */
export interface ExecRequest {
  container: string;
  command: string[];
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

/** More than execve(2) would take of one argument is not sent by anybody who means it well. */
const MOST_ARGUMENTS = 4096;

/** Reads the query of an exec; throws ApiError (400) where it asks for nothing or for what excludes itself. */
export function execRequestOf(query: URLSearchParams): ExecRequest {
  const command = query.getAll("command");
  if (command.length === 0 || command[0] === "")
    throw badRequest("you must specify at least one command for the container");
  if (command.length > MOST_ARGUMENTS) throw badRequest(`a command has at most ${MOST_ARGUMENTS} arguments here`);
  if (command.some((argument) => argument.includes("\0")))
    throw badRequest("an argument of the command has a NUL in it");
  return { ...attachRequestOf(query), command };
}

/** Reads the query of an attach, which is the same without a command; throws ApiError (400). */
export function attachRequestOf(query: URLSearchParams): Omit<ExecRequest, "command"> {
  const [stdin, stdout, stderr, tty] = ["stdin", "stdout", "stderr", "tty"].map((name) => flagOf(query, name));
  if (stdin !== true && stdout !== true && stderr !== true)
    throw badRequest("must specify at least 1 of stdin, stdout, stderr");
  return {
    container: query.get("container") ?? "",
    stdin: stdin === true,
    stdout: stdout === true,
    // A terminal has one stream: its errors are not told apart (kubelet remotecommand.NewOptions).
    stderr: stderr === true && tty !== true,
    tty: tty === true,
  };
}

/** How many streams a client opens for it over SPDY, that of the end included (kubelet, createHTTPStreamStreams). */
export function streamsOf({ stdin, stdout, stderr, tty }: Omit<ExecRequest, "command">): number {
  return 1 + [stdin, stdout, stderr, tty].filter(Boolean).length;
}
