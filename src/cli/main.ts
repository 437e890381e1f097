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

// Standard output and error are written synchronously to files, pipes and terminals on Linux: nothing is cut off.
process.exit(await main(process.argv.slice(2), processIo()));
