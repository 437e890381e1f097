/**
 * `npm test [-- VITEST OPTIONS…]`: sets up what is missing, then runs every test that needs only this host. The last line
 * is `N passed, N failed, N skipped`.
 */
import { spawnSync } from "node:child_process";
import { root } from "./command.mjs";
import { exitForSetupError, setUp } from "./setup.mjs";

await setUp().catch(exitForSetupError);
const { status, signal } = spawnSync(
  process.execPath,
  ["node_modules/vitest/vitest.mjs", "run", ...process.argv.slice(2)],
  { cwd: root, stdio: "inherit" },
);
process.exitCode = status ?? (signal === "SIGINT" ? 130 : 1);
