import { closeSync, fstatSync, readSync } from "node:fs";
import { check, openIn } from "./libc.ts";

const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const LIMIT = 1 << 16;

/**
 * Text of a small regular file as seen below another root folder, such as /proc/PID/root: links are followed inside that
 * root only, so that a container cannot make this process read a file of the host (openat2(2), RESOLVE_IN_ROOT). Throws a
 * SystemCallError (ENOENT where there is none).
 */
export function readInRoot(root: string, path: string): string {
  const fd = check("openat2", openIn(root, path, O_NONBLOCK | O_CLOEXEC), `${root}${path}`);
  try {
    if (!fstatSync(fd).isFile()) return "";
    const bytes = Buffer.alloc(LIMIT);
    return bytes.toString("utf8", 0, readSync(fd, bytes, 0, LIMIT, 0));
  } finally {
    closeSync(fd);
  }
}
