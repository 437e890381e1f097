import { closeSync, fstatSync, ftruncateSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { LabError } from "../core/errors.ts";
import { tryLockFile } from "../kernel/file-lock.ts";
import { makeFolder } from "./make-folder.ts";
import { labDirectory, stateUnwritable } from "./state-directory.ts";

/** A lab's lock while it is held. */
export interface LabLock {
  /** Idempotent: by then the lock may be another's. */
  release(): void;
}

/**
 * Keeps others from changing a lab while we do; `release` gives it up, and so does the end of this process, however it
 * comes. Throws LAB_BUSY while another process holds it.
 */
export function lockLab(root: string, name: string): LabLock {
  // Checks the name, too.
  const path = join(dirname(dirname(labDirectory(root, name))), "locks", `${name}.lock`);
  return lockPath(path, (holder) => busy(holder, name));
}

/** {@link lockLab} for an exam of that name, which must be a lab's name by form; throws EXAM_BUSY. */
export function lockExam(root: string, name: string): LabLock {
  return lockPath(join(root, "exam-locks", `${name}.lock`), (holder) => {
    const message = `another cnilab${holder} is working on exam ${name}`;
    return new LabError("EXAM_BUSY", message, { hint: "wait until it is done, or interrupt it" });
  });
}

function lockPath(path: string, busyError: (holder: string) => LabError): LabLock {
  try {
    makeFolder(dirname(path), 0o700);
  } catch (cause) {
    throw stateUnwritable(path, cause);
  }
  for (;;) {
    const descriptor = openLocked(path);
    if (descriptor === undefined) throw busyError(readHolder(path));
    // A holder that released removed the file we opened: what we hold then is the lock of nothing.
    if (!isSameFile(descriptor, path)) {
      closeSync(descriptor);
      continue;
    }
    ftruncateSync(descriptor);
    writeSync(descriptor, `${process.pid}\n`);
    let isHeld = true;
    return {
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        rmSync(path, { force: true });
        closeSync(descriptor);
      },
    };
  }
}

function openLocked(path: string): number | undefined {
  try {
    return tryLockFile(path);
  } catch (cause) {
    throw stateUnwritable(path, cause);
  }
}

function isSameFile(descriptor: number, path: string): boolean {
  try {
    return fstatSync(descriptor).ino === statSync(path).ino;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

function busy(holder: string, name: string): LabError {
  return new LabError("LAB_BUSY", `another cnilab${holder} is working on lab ${name}`, {
    hint: "wait until it is done, or interrupt it",
  });
}

function readHolder(path: string): string {
  try {
    const pid = readFileSync(path, "utf8").trim();
    return /^\d+$/.test(pid) ? ` (process ${pid})` : "";
  } catch {
    // It was released meanwhile; who held it is only a help to the reader.
    return "";
  }
}
