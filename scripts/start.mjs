/**
 * `npm start [-- LAB OPTIONS…]`: sets up what is missing, then `cnilab run`. `--setup-only` stops after the set-up.
 * The grade is the exit code.
 */
import { join } from "node:path";
import { root } from "./command.mjs";
import { exitForSetupError, setUp } from "./setup.mjs";

const isSetupOnly = process.argv[2] === "--setup-only";
await setUp().catch(exitForSetupError);
if (!isSetupOnly) {
  // In this process: another one would cost its start and would have to pass signals on.
  const entry = join(root, "dist/cli/main.js");
  process.argv = [
    process.execPath,
    entry,
    "run",
    "--default-lab",
    join(root, "labs/first-lab"),
    ...process.argv.slice(2),
  ];
  await import("../dist/cli/main.js");
}
