import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lockLab } from "../../../src/run/lab-lock.ts";

const source = fileURLToPath(new URL("../../../src/run/lab-lock.ts", import.meta.url));

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "cnilab-lock-"));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

test("a lab is changed by one process at a time, and the other is told by whom", () => {
  const lock = lockLab(root, "shop");
  expect(() => lockLab(root, "shop")).toThrow(
    expect.objectContaining({ code: "LAB_BUSY", message: expect.stringContaining(`(process ${process.pid})`) }),
  );
  lockLab(root, "other").release();
  lock.release();
  lockLab(root, "shop").release();
  expect(readdirSync(join(root, "locks"))).toEqual([]);
});

test("a lock that was released is not released again: by then it may be another's", () => {
  const first = lockLab(root, "shop");
  first.release();
  const second = lockLab(root, "shop");
  first.release();
  expect(() => lockLab(root, "shop")).toThrow(expect.objectContaining({ code: "LAB_BUSY" }));
  second.release();
});

test("a lock dies with the process that holds it, however it ends", async () => {
  const script = `import { lockLab } from ${JSON.stringify(source)}; lockLab(${JSON.stringify(root)}, "shop"); console.log("held"); setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const gone = new Promise((resolve) => holder.once("exit", resolve));
  try {
    await new Promise((resolve) => holder.stdout.once("data", resolve));
    expect(() => lockLab(root, "shop")).toThrow(expect.objectContaining({ code: "LAB_BUSY" }));
  } finally {
    holder.kill("SIGKILL");
    await gone;
  }
  lockLab(root, "shop").release();
});
