import { readdirSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { LabError } from "../core/errors.ts";
import { makeFolder } from "./make-folder.ts";

const labName = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/**
 * Where cnilab keeps what outlives a process: `$XDG_STATE_HOME/cnilab`, by default `~/.local/state/cnilab` (XDG Base
 * Directory Specification 0.8: a relative path in the variable is ignored).
 */
export function stateRoot(env: Record<string, string | undefined>): string {
  const configured = env["XDG_STATE_HOME"];
  const base =
    configured !== undefined && isAbsolute(configured) ? configured : join(env["HOME"] ?? homedir(), ".local/state");
  return join(base, "cnilab");
}

/** Whether a text can be a lab's name (RFC 1123 label), and so a folder's name without leading anywhere else. */
export function isLabName(name: string): boolean {
  return labName.test(name);
}

/** The folder of one lab's run state; throws LAB_NAME_INVALID for what is not a lab's name. */
export function labDirectory(root: string, name: string): string {
  if (!isLabName(name)) {
    throw new LabError("LAB_NAME_INVALID", `${JSON.stringify(name)} is not a lab name`, {
      hint: "lower-case letters, digits and hyphens, as in Kubernetes names; cnilab status lists the labs there are",
    });
  }
  return join(root, "labs", name);
}

/** Makes the lab's folder, readable by its owner only; throws STATE_UNWRITABLE. */
export function makeLabDirectory(root: string, name: string): string {
  const directory = labDirectory(root, name);
  try {
    makeFolder(directory, 0o700);
  } catch (cause) {
    throw stateUnwritable(directory, cause);
  }
  return directory;
}

/** Removes the lab's folder with all in it; nothing happens when there is none. */
export function removeLabDirectory(root: string, name: string): void {
  const directory = labDirectory(root, name);
  try {
    rmSync(directory, { recursive: true, force: true });
  } catch (cause) {
    throw stateUnwritable(directory, cause);
  }
}

/** Names of the labs that have a folder, whatever is in it, sorted. */
export function listLabNames(root: string): string[] {
  try {
    return readdirSync(join(root, "labs"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && isLabName(entry.name))
      .map((entry) => entry.name)
      .toSorted();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw stateUnwritable(join(root, "labs"), error);
  }
}

/** STATE_UNWRITABLE for a path below the state root. */
export function stateUnwritable(path: string, cause: unknown): LabError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new LabError("STATE_UNWRITABLE", `cannot use the state folder ${path}: ${reason}`, {
    hint: "make it writable, or set XDG_STATE_HOME to a folder that is",
    cause,
  });
}
