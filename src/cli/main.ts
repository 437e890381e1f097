#!/usr/bin/env node
import { CommanderError } from "commander";
import { exitCodeOfError, exitCodes } from "./exit-codes.ts";
import { processIo, type CliIo } from "./io.ts";
import { formatError } from "./print-error.ts";
import { buildProgram } from "./program.ts";

/** Runs one command line; resolves to the exit code. */
async function main(argv: readonly string[], io: CliIo): Promise<number> {
  try {
    await (await buildProgram(io, argv)).parseAsync([...argv], { from: "user" });
    return io.exitCode;
  } catch (error) {
    io.closeProgress();
    // Commander has printed its own; help and version are no errors.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.pass : exitCodes.usage;
    io.err(formatError(error, io.errPaint));
    return exitCodeOfError(error);
  }
}

/** Resolves when all that was written has been handed over, or its reader is gone; what reads may be a socket. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write("", () => resolve()));
}

/** Ends this process when all is said. */
async function runAndExit(): Promise<never> {
  const exitCode = await main(process.argv.slice(2), processIo());
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  // Not left to the event loop: what a run abandoned at an interrupt may still hold a handle.
  process.exit(exitCode);
}

void runAndExit();
