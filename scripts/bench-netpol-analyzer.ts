import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { line } from "./bench-figures.ts";

/** Longer than np-guard's own figure for 1000 pods; it is not asked for more. */
const LIMIT_MS = 600_000;
const LARGEST = 1000;

/**
 * Whole commands on the same manifests: np-guard's `netpolicy list` (github.com/np-guard/netpol-analyzer, cmd/netpolicy; its path is the
 * environment's NETPOLICY) and `cnilab explain --all` on one port. Says nothing where the path is not given or the cluster too large for it.
 */
export function compareWithNetpolAnalyzer(folder: string, pods: number, verdictMs: number): void {
  const program = process.env["NETPOLICY"];
  if (program === undefined || pods > LARGEST) return;
  const peer = secondsOf(program, ["list", "--dirpath", folder, "--quiet"]);
  const cli = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
  const ours = secondsOf(process.execPath, [cli, "explain", folder, "--all", "--ports", "8000/tcp", "-o", "json"]);
  if (peer === undefined || ours === undefined) {
    line(`  netpol-analyzer's list: not within ${LIMIT_MS / 1000} s`);
    return;
  }
  line(
    `  netpol-analyzer's list: ${peer.toFixed(1)} s; cnilab explain --all: ${ours.toFixed(2)} s, ${Math.round(peer / ours)} times faster; ` +
      `its whole command beside our verdicts alone: ${Math.round((peer * 1000) / verdictMs)}`,
  );
}

/** Seconds of a command that succeeds; undefined where the time is over before it ends. Throws where it fails. */
function secondsOf(program: string, words: string[]): number | undefined {
  const startedAt = performance.now();
  const { status, error, stderr } = spawnSync(program, words, {
    timeout: LIMIT_MS,
    maxBuffer: 1 << 30,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  if ((error as NodeJS.ErrnoException | undefined)?.code === "ETIMEDOUT") return undefined;
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${words.join(" ")}: ${stderr.slice(-500)}`);
  return (performance.now() - startedAt) / 1000;
}
