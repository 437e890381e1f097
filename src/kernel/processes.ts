import { readdirSync } from "node:fs";
import { calls } from "./libc.ts";

const F_GETFD = 1;
const F_SETFD = 2;
const FD_CLOEXEC = 1;
const WNOHANG = 1;
const WALL = 0x4000_0000;
const AGAIN_MS = 5;

/**
 * Takes leave of the dead of a process group whose leader has ended (waitpid(2)): the first process of a pid namespace
 * inherits orphans, and they stay as zombies until it does. Comes back later for those that are still dying.
 */
export function reapGroup(group: number | undefined): void {
  if (group === undefined) return;
  for (;;) {
    const pid = calls.waitpid(-group, [0], WNOHANG | WALL);
    if (pid < 0) return;
    if (pid === 0) break;
  }
  setTimeout(() => reapGroup(group), AGAIN_MS).unref();
}

/**
 * Marks every descriptor from 3 on to be closed in children (fcntl(2), FD_CLOEXEC), and returns those that were not: what
 * came with this process from whoever started it, and what libraries opened without. Children get what they are given at
 * spawn, nothing else.
 */
export function keepDescriptorsFromChildren(): number[] {
  return readdirSync("/proc/self/fd").flatMap((name) => {
    const fd = Number(name);
    // Fails for the descriptor that listed the folder: it is closed by now.
    const flags = calls.fcntl(fd, F_GETFD, 0);
    if (fd <= 2 || flags < 0 || (flags & FD_CLOEXEC) !== 0) return [];
    calls.fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
    return [fd];
  });
}

/**
 * Ends this process in this call (_exit(2)). `process.exit` would join libuv's threads first, and one that waits for a packet
 * (`readableAside`) may wait for minutes.
 */
export function endProcess(status: number): void {
  calls._exit(status);
}
