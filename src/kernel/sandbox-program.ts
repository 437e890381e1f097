import { accessSync, constants, statSync } from "node:fs";
import { SANDBOX_PATH } from "./sandbox.ts";

/** Folders that the sandbox shows as they are out here. */
const SHOWN = /^\/(?:usr|bin|sbin|lib|lib32|lib64|libx32)\//;

/**
 * Whether a sandbox would find the program (execvp(3)). It is asked before, since bwrap(1) tells of a program that is missing as
 * the program itself would: by exit code 1 and a line on its standard error.
 */
export function sandboxHasProgram(program: string, path: string = SANDBOX_PATH): boolean {
  const candidates = program.includes("/") ? [program] : path.split(":").map((folder) => `${folder}/${program}`);
  return candidates.some((candidate) => SHOWN.test(candidate) && isExecutable(candidate));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // Whatever the reason, execvp(3) would pass it over, too.
    return false;
  }
}
