import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { LabError } from "../../core/errors.ts";
import type { Connection } from "./connection.ts";
import { endingOf } from "./process.ts";
import { terminalCommand } from "./shell-text.ts";

/** By the shell's rule (POSIX.1 Shell Command Language, 2.8.2), where a signal ended it. */
const SIGNAL_EXIT = 128;

/**
 * A command on a terminal of the machine, joined with this process's. sudo(8) asks there for itself. The machine ends the command when
 * the connection is lost: its terminal hangs up. This process's terminal is put back whatever happens.
 */
export async function runOnTerminal(
  connection: Connection,
  argv: readonly string[],
  sudo: boolean,
): Promise<{ exitCode: number }> {
  const { stdin, stdout } = process;
  if (!stdin.isTTY || !stdout.isTTY) {
    throw new LabError("REMOTE_NO_TERMINAL", "a command with a terminal needs one here, too", {
      hint: "run it from a terminal, or without one",
    });
  }
  const size = (): { rows: number; cols: number } => ({ rows: stdout.rows || 24, cols: stdout.columns || 80 });
  const pty = { ...size(), term: process.env["TERM"] ?? "xterm-256color" };
  const channel = await connection.exec(terminalCommand(argv, sudo), { pty });
  const onResize = (): void => {
    const { rows, cols } = size();
    channel.setWindow(rows, cols, 0, 0);
  };
  const closed = once(channel, "close");
  stdin.setRawMode(true);
  // Node's raw mode still makes CR LF of LF, which the other terminal has done; programs that draw mean a LF alone. setRawMode(false)
  // puts this back, too.
  spawnSync("stty", ["-opost"], { stdio: ["inherit", "ignore", "ignore"] });
  stdin.pipe(channel);
  channel.pipe(stdout, { end: false });
  channel.stderr.resume();
  stdout.on("resize", onResize);
  try {
    const { exitCode, signal } = await endingOf(connection, channel);
    // What it wrote last comes before this.
    await connection.whileOpen(closed);
    return { exitCode: exitCode ?? SIGNAL_EXIT + (constants.signals[signal as NodeJS.Signals] ?? 0) };
  } finally {
    stdout.off("resize", onResize);
    stdin.unpipe(channel);
    channel.unpipe(stdout);
    stdin.setRawMode(false);
    stdin.pause();
  }
}
