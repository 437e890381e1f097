import { spawn, spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { endTree } from "../../../../src/providers/ssh/ansible/end-tree.ts";

test("children in sessions of their own end with the leader", async () => {
  const mark = `3${Math.floor(Math.random() * 1e6)}`;
  // A setsid(1) that waits is a child with a session of its own, and so is what it runs.
  const leader = spawn("sh", ["-c", `setsid --wait sleep ${mark} & echo started; wait`], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const running = (): boolean => spawnSync("pgrep", ["-f", `^sleep ${mark}`]).status === 0;
  await expect.poll(running).toBe(true);
  endTree(leader.pid ?? 0);
  await expect.poll(running).toBe(false);
  endTree(leader.pid ?? 0);
});
