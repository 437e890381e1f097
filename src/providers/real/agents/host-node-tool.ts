import { execFile } from "node:child_process";
import type { NodeToolResult } from "../types.ts";

const TIMEOUT_MS = 5000;
const OUTPUT_LIMIT = 32 << 20;

/** Runs a tool of the node's own (its iptables knows which tables are in use) in its network and mount namespaces. */
export function runNodeTool(pid: number, argv: readonly string[]): Promise<NodeToolResult> {
  const args = ["--target", String(pid), "--mount", "--net", "--", ...argv];
  return new Promise((resolve) => {
    execFile("nsenter", args, { timeout: TIMEOUT_MS, maxBuffer: OUTPUT_LIMIT }, (error, stdout, stderr) => {
      if (error === null) return resolve({ ok: true, stdout, stderr });
      resolve({ ok: false, stdout, stderr, reason: stderr.trim() || error.message });
    });
  });
}
