import { closeSync, fstatSync, openSync, statSync } from "node:fs";
import { calls, lastErrno, SystemCallError } from "./libc.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;
const EWOULDBLOCK = 11;

/**
 * Takes the exclusive lock of a file (flock(2)) without waiting: its descriptor, or undefined while another holds it.
 * The lock belongs to the open file: it is held until every process that has the descriptor is gone, so it cannot be
 * left behind by a kill. The file itself may stay.
 */
export function tryLockFile(path: string): number | undefined {
  for (;;) {
    const fd = openSync(path, "a", 0o600);
    if (calls.flock(fd, LOCK_EX | LOCK_NB) !== 0) {
      const errno = lastErrno();
      closeSync(fd);
      if (errno === EWOULDBLOCK) return undefined;
      throw new SystemCallError("flock", errno, path);
    }
    // Between open and flock the last holder may have removed the file: the lock must be that of the path.
    if (fstatSync(fd).ino === statSync(path, { throwIfNoEntry: false })?.ino) return fd;
    closeSync(fd);
  }
}

/** Whether some process holds the file's lock; false where there is no such file. */
export function isFileLocked(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
  try {
    if (calls.flock(fd, LOCK_EX | LOCK_NB) === 0) return false;
    const errno = lastErrno();
    if (errno === EWOULDBLOCK) return true;
    throw new SystemCallError("flock", errno, path);
  } finally {
    closeSync(fd);
  }
}
