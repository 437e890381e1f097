import { LabError } from "../core/errors.ts";
import { sharedSignal } from "../core/shared-signal.ts";
import { createProgress, progressStyle, type Progress } from "../report/progress.ts";
import { paintFor, wantsColour, type Paint } from "../report/colour.ts";
import type { RunContext } from "../run/context.ts";
import { stateRoot } from "../run/state-directory.ts";
import { openScreen, type LiveScreen } from "./live-screen.ts";
import { exitCodes } from "./exit-codes.ts";
import { formatWarning } from "./print-error.ts";

/** Columns for output that goes to a file or a pipe, or to a terminal that does not tell. */
const defaultWidth = 100;

/** What a verb may touch of the process: data goes to `out`, everything for the eye to `err`. */
export interface CliIo {
  env: Record<string, string | undefined>;
  out(text: string): void;
  err(text: string): void;
  outPaint: Paint;
  errPaint: Paint;
  hasColour: boolean;
  width: number;
  signal: AbortSignal;
  /** Takes over the terminal; absent where standard output is none that can be drawn over. */
  openScreen?: () => LiveScreen;
  /** What the process will exit with; pass until a verb says otherwise. */
  exitCode: number;
  /** A context for src/run whose events are drawn on standard error. */
  runContext(options?: { isQuiet?: boolean | undefined; bundle?: string | undefined }): RunContext;
  /** Takes the progress line away; call before writing anything else. */
  closeProgress(): void;
}

/** The process as verbs see it. */
export function processIo(): CliIo {
  const { env, stdout, stderr } = process;
  // A reader that leaves early (`cnilab list | head -1`) must not end us: a lab may still have to be taken down.
  for (const stream of [stdout, stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
  const hasColour = wantsColour(env, stdout.isTTY === true);
  const errPaint = paintFor(wantsColour(env, stderr.isTTY === true));
  const signal = interruptSignal();
  let progress: Progress | undefined;
  const canDraw = progressStyle(env, stdout.isTTY === true, false) === "live";
  return {
    ...(canDraw ? { openScreen: () => openScreen(process) } : {}),
    env,
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    outPaint: paintFor(hasColour),
    errPaint,
    hasColour,
    width: stdout.isTTY === true ? stdout.columns : defaultWidth,
    signal,
    exitCode: 0,
    runContext: ({ isQuiet, bundle } = {}) => {
      progress ??= createProgress({
        style: progressStyle(env, stderr.isTTY === true, isQuiet === true),
        paint: errPaint,
        width: stderr.isTTY === true ? stderr.columns : defaultWidth,
        write: (text) => void stderr.write(text),
        formatWarning: (warning) => formatWarning(warning, errPaint),
      });
      return {
        env,
        bundle,
        stateRoot: stateRoot(env),
        signal,
        emit: progress.sink,
        now: () => new Date(),
        monotonicMs: () => performance.now(),
      };
    },
    closeProgress: () => progress?.close(),
  };
}

let interrupt: AbortController | undefined;

/** npm passes on the Ctrl-C that the terminal sent us already, and timeout(1) signals its child and its group. */
const echoMs = 1000;

/**
 * Aborted by the first SIGINT, SIGTERM or SIGHUP; what was done is then undone. Another one a second later or more ends
 * the process at once: whatever it holds dies with it.
 */
function interruptSignal(): AbortSignal {
  if (interrupt !== undefined) return interrupt.signal;
  const controller = new AbortController();
  interrupt = controller;
  sharedSignal(controller.signal);
  let firstAtMs = 0;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) {
        if (performance.now() - firstAtMs >= echoMs) process.exit(exitCodes.interrupted);
        return;
      }
      firstAtMs = performance.now();
      controller.abort(new LabError("INTERRUPTED", `interrupted by ${name}`));
    });
  }
  return controller.signal;
}
