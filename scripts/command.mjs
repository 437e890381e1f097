/** What the set-up's parts share: the clone's folder, commands whose output is seen, errors for people. */
import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the clone. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Exit code for a host that lacks something; see docs/cli.md. */
export const exitHostLacks = 5;

/** An error for people: its message is all that is printed. */
export class SetupError extends Error {
  /** @param {string} message @param {number} exitCode */
  constructor(message, exitCode = exitHostLacks) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Runs a command whose output goes to standard error: standard output is the lab's. @param {string[]} argv */
export function run([program, ...args], env = process.env) {
  process.stderr.write(`$ ${[program, ...args].join(" ")}\n`);
  const { status, error } = spawnSync(program, args, { cwd: root, env, stdio: ["ignore", 2, 2] });
  if (error !== undefined) throw new SetupError(`${program} could not be started: ${error.message}`);
  return status === 0;
}
