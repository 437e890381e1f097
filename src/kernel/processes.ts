import { calls } from "./libc.ts";

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
