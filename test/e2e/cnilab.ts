import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const repository = fileURLToPath(new URL("../..", import.meta.url));
const main = join(repository, "dist/cli/main.js");

export interface Finished {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

/** The built command with a state folder of its own; `remove` takes down what a failed test left up, and the folder. */
export class Cnilab {
  readonly stateHome = mkdtempSync(join(tmpdir(), "cnilab-test-"));
  private readonly base: NodeJS.ProcessEnv;
  private readonly timeoutMs: number;

  constructor({ environment = process.env, timeoutMs = 60_000 } = {}) {
    this.base = environment;
    this.timeoutMs = timeoutMs;
  }

  private environment(): NodeJS.ProcessEnv {
    return { ...this.base, XDG_STATE_HOME: this.stateHome, NO_COLOR: "1", CI: "true" };
  }

  /** Runs to the end; never rejects for an exit code. */
  run(...args: string[]): Promise<Finished> {
    return new Promise((resolve) => {
      execFile(
        process.execPath,
        [main, ...args],
        { env: this.environment(), cwd: repository, timeout: this.timeoutMs, maxBuffer: 64 << 20 },
        (error, stdout, stderr) => {
          const exitCode = error === null ? 0 : typeof error.code === "number" ? error.code : null;
          resolve({ exitCode, stdout, stderr });
        },
      );
    });
  }

  start(...args: string[]): ChildProcess {
    return spawn(process.execPath, [main, ...args], { env: this.environment(), cwd: repository, stdio: "ignore" });
  }

  /** Like {@link start}; resolves once standard error has the text, and rejects where it ends without. */
  async startUntil(text: string, ...args: string[]): Promise<ChildProcess> {
    const child = spawn(process.execPath, [main, ...args], {
      env: this.environment(),
      cwd: repository,
      stdio: ["ignore", "ignore", "pipe"],
    });
    let heard = "";
    await new Promise<void>((resolve, reject) => {
      child.stderr.on("data", (chunk: Buffer) => {
        heard += chunk.toString();
        if (heard.includes(text)) resolve();
      });
      child.once("exit", () => reject(new Error(`it ended and never said ${JSON.stringify(text)}: ${heard}`)));
    });
    return child;
  }

  async remove(): Promise<void> {
    await this.run("down", "--all");
    rmSync(this.stateHome, { recursive: true, force: true });
  }
}
