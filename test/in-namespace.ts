import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * Runs a TypeScript program of test/fixtures/in-namespace in user, network, mount and pid namespaces of its own, where it
 * is root and the host cannot be touched, and parses what it prints as JSON. Rejects with its stderr when it fails.
 */
export async function inNamespace(program: string, ...args: string[]): Promise<unknown> {
  const path = fileURLToPath(new URL(`./fixtures/in-namespace/${program}`, import.meta.url));
  const isolate = ["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--"];
  // Its temporary files are taken away from out here: inside, memory is mounted over some of them.
  const temporary = mkdtempSync(join(tmpdir(), "cnilab-in-namespace-"));
  try {
    const { stdout } = await run("unshare", [...isolate, process.execPath, "--import", "tsx", path, ...args], {
      timeout: 110_000,
      maxBuffer: 64 << 20,
      env: { ...process.env, TMPDIR: temporary },
    });
    return JSON.parse(stdout);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
