import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runLocal } from "../../../../src/exec/local.ts";
import { secretPipe } from "../../../../src/providers/ssh/ansible/secret-pipe.ts";

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cnilab-secret-"));
  path = join(folder, "secret");
});
afterEach(() => rmSync(folder, { recursive: true }));

test("the first who reads it has it; nobody else may open it, and it is in no file", async () => {
  const pipe = await secretPipe(path, "grätchen {{ 7 * 7 }}\n");
  expect(statSync(path)).toMatchObject({ mode: 0o010_600, size: 0 });
  expect((await runLocal("cat", [path])).lines).toEqual(["grätchen {{ 7 * 7 }}"]);
  await pipe.end();
});

test("where nobody reads it, the end does not wait for anybody", async () => {
  await (await secretPipe(path, "secret")).end();
  expect(statSync(path).size).toBe(0);
});

test("a folder that has no room for it is an error", async () => {
  await expect(secretPipe(join(folder, "none", "secret"), "secret")).rejects.toMatchObject({ code: "SECRET_PIPE" });
});
