import { execFileSync } from "node:child_process";

/**
 * SIGKILL to a process and all below it, wherever they are: ansible-core 2.19 gives each worker a session of its own, so that a signal to
 * the process group reaches neither it nor its ssh. Nothing happens where there is no such process.
 */
export function endTree(leader: number): void {
  // Stopped first, or it could start another one while we look.
  if (!sent(leader, "SIGSTOP")) return;
  const children = new Map<number, number[]>();
  for (const line of execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n")) {
    const [pid = 0, parent = 0] = line.trim().split(/\s+/).map(Number);
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const below = (pid: number): number[] => (children.get(pid) ?? []).flatMap((child) => [child, ...below(child)]);
  for (const pid of [...below(leader), leader]) sent(pid, "SIGKILL");
}

function sent(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    return false;
  }
}
