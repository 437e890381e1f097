import { Readable } from "node:stream";
import type { StreamedCommand, StreamedOptions } from "../../kernel/streamed-command.ts";
import type { Container } from "../../kube/types.ts";
import { knownImageName } from "../images/registry.ts";
import { agnhostConnect, type CommandPlace } from "./agnhost-connect.ts";

/** A program of an image's that is played here: no process is started for it. */
export type ModelledProgram = (place: CommandPlace, options: StreamedOptions) => StreamedCommand;

/** The program that a container's image has at that path and that is modelled; undefined where it has none such. */
export function modelledProgram({ image }: Container, argv: readonly string[]): ModelledProgram | undefined {
  const [path, subcommand, ...args] = argv;
  // The image has it in its root folder, which is in no PATH.
  if (path !== "/agnhost" || subcommand !== "connect" || knownImageName(image) !== "agnhost") return undefined;
  return (place, options) => play((signal) => agnhostConnect(args, place, signal), options);
}

function play(
  run: (signal: AbortSignal) => Promise<{ exitCode: number; stderr: string }>,
  { isTerminal }: StreamedOptions,
): StreamedCommand {
  const killed = new AbortController();
  const said = new Readable({ read: () => undefined });
  const ended = run(killed.signal).then(
    ({ exitCode, stderr }) => {
      // A terminal shows a line's end as two characters (termios(3), ONLCR).
      if (!killed.signal.aborted) said.push(isTerminal ? stderr.replaceAll("\n", "\r\n") : stderr);
      said.push(null);
      return killed.signal.aborted ? { exitCode: null, signal: "SIGKILL" } : { exitCode, signal: null };
    },
    (error: unknown) => {
      said.push(null);
      if (killed.signal.aborted) return { exitCode: null, signal: "SIGKILL" };
      throw error;
    },
  );
  return {
    // It reads nothing.
    stdin: undefined,
    stdout: isTerminal ? said : Readable.from([]),
    stderr: isTerminal ? undefined : said,
    ended,
    resize: () => undefined,
    kill: () => killed.abort(),
  };
}
