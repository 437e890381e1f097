import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { rigEnvironment } from "../rig.ts";
import { files } from "./files.ts";
import type { Step } from "./steps.ts";

/** What a step wrote and how it ended. */
export interface Said {
  run: string;
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

const STEP_TIMEOUT_MS = 180_000;

/**
 * Runs the steps one after another against a cluster, as its user would. A step that fails does not end the session: how it fails is
 * compared, too.
 *
 * @param folder of the session's own: manifests are written there, and kubectl keeps its caches there.
 */
export async function runSession(steps: readonly Step[], kubeconfig: string, folder: string): Promise<Said[]> {
  const paths = new Map(Object.keys(files).map((name) => [name, join(folder, `${name}.yaml`)]));
  for (const [name, path] of paths) writeFileSync(path, files[name] ?? "");
  const kept = new Map<string, string>();
  const said: Said[] = [];
  for (const { run, keep, input } of steps) {
    const words = wordsOf(run).map((word) =>
      word
        .replaceAll(/^\{([a-z-]+)\}$/g, (whole, name: string) => paths.get(name) ?? whole)
        .replaceAll(/\$([A-Z]+)/g, (whole, name: string) => kept.get(name) ?? whole),
    );
    const finished = await kubectl(words, kubeconfig, folder, input);
    if (keep !== undefined) kept.set(keep, finished.stdout.trim());
    said.push({ run, ...finished });
  }
  return said;
}

/** Words of a command line; single quotes keep white space and are taken away. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/(?:'[^']*'|[^\s'])+/g)].map(([word]) => word.replaceAll("'", ""));
}

function kubectl(
  words: readonly string[],
  kubeconfig: string,
  home: string,
  input = "",
): Promise<{ exitCode: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn("kubectl", words, {
      env: { ...rigEnvironment, KUBECONFIG: kubeconfig, HOME: home },
      timeout: STEP_TIMEOUT_MS,
      stdio: "pipe",
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.once("error", reject);
    child.once("close", (exitCode) => resolve({ exitCode, stdout, stderr }));
    // A kubectl that reads nothing may have ended before.
    child.stdin.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") reject(error);
    });
    child.stdin.end(input);
  });
}
