import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { quoteWord } from "../../src/core/shell-word.ts";
import { repository } from "../e2e/cnilab.ts";
import { processes, treeOf } from "../e2e/host-state.ts";
import { rigEnvironment } from "./rig.ts";

/** A command of cnilab with a terminal, where it tells each step. */
export interface OnTerminal {
  /** Resolves as soon as it told a step that has this text; rejects when it ended before. */
  told(text: string): Promise<void>;
  /** Process id of cnilab itself. */
  pid(): number;
  /** Its exit code, by the shell's rule where a signal ended it, and all that it said. */
  ended: Promise<{ exitCode: number | null; said: string }>;
}

/** Starts the built command under script(1), which gives it a terminal wide enough for whole lines. */
export function startOnTerminal(stateHome: string, ...args: string[]): OnTerminal {
  const { CI: _, NO_COLOR: __, ...environment } = rigEnvironment;
  const words = [process.execPath, join(repository, "dist/cli/main.js"), ...args];
  const { script, told, said, ended } = startScript(words, {
    terminal: "cols 300",
    environment: { ...environment, XDG_STATE_HOME: stateHome },
  });
  script.stdin.end();
  return {
    told,
    ended,
    pid: () => {
      const main = treeOf(script.pid ?? -1, processes()).find(
        ({ commandLine }) => commandLine.startsWith(process.execPath) && commandLine.includes("cli/main.js"),
      );
      if (main === undefined) throw new Error(`cnilab does not run: ${said()}`);
      return main.pid;
    },
  };
}

/** A program on a terminal that stty(1) sets up as `terminal` says; what is written to `script.stdin` is typed there. */
export function startScript(
  words: readonly string[],
  { terminal, environment }: { terminal: string; environment: NodeJS.ProcessEnv },
): Omit<OnTerminal, "pid"> & { script: ChildProcessByStdio<Writable, Readable, null>; said(): string } {
  const command = `stty ${terminal}; exec ${words.map(quoteWord).join(" ")}`;
  const script = spawn("script", ["-qefc", command, "/dev/null"], {
    env: { ...environment, TERM: "xterm" },
    cwd: repository,
    stdio: ["pipe", "pipe", "inherit"],
  });
  let said = "";
  let hasEnded = false;
  const waiting = new Set<() => void>();
  const wake = (): void => waiting.forEach((check) => check());
  script.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    said += chunk;
    wake();
  });
  const ended = once(script, "close").then(([exitCode]) => {
    hasEnded = true;
    wake();
    return { exitCode: exitCode as number | null, said };
  });
  return {
    script,
    said: () => said,
    ended,
    told: (text) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          if (said.includes(text)) resolve();
          else if (hasEnded) reject(new Error(`it ended without a word of ${JSON.stringify(text)}: ${said}`));
          else return;
          waiting.delete(check);
        };
        waiting.add(check);
        check();
      }),
  };
}
