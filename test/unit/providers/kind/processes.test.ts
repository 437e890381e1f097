import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { killMarked, OWNER_VARIABLE } from "../../../../src/providers/kind/processes.ts";
import { isMakerAlive, thisMaker } from "../../../../src/providers/kind/maker.ts";

test("every process with the owner's mark is killed, those that others started too, and no others", async () => {
  const owner = `test-${process.pid}`;
  const marked = spawn("sh", ["-c", "sleep 60 & wait"], {
    env: { ...process.env, [OWNER_VARIABLE]: owner },
    stdio: "ignore",
  });
  const other = spawn("sleep", ["60"], { env: { ...process.env, [OWNER_VARIABLE]: `${owner}0` }, stdio: "ignore" });
  await Promise.all([once(marked, "spawn"), once(other, "spawn")]);
  const ended = once(marked, "exit");
  expect(killMarked(owner)).toBeGreaterThanOrEqual(1);
  expect(await ended).toEqual([null, "SIGKILL"]);
  expect(killMarked(owner)).toBe(0);
  expect(other.exitCode).toBeNull();
  other.kill();
});

test("a maker is alive as long as its process, and a later process under its number is another", () => {
  const maker = thisMaker();
  expect(isMakerAlive(maker)).toBe(true);
  expect(isMakerAlive(maker.replace(/\d+$/, "1"))).toBe(false);
  expect(isMakerAlive("another-machine/1/1")).toBe(true);
});
