import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeFolder } from "../../../src/run/make-folder.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cnilab-folder-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("makes the folders above, and takes one that is there", () => {
  makeFolder(join(folder, "a/b/c"));
  makeFolder(join(folder, "a/b/c"));
  expect(existsSync(join(folder, "a/b/c"))).toBe(true);
});

test("a folder below a file is an error", () => {
  writeFileSync(join(folder, "file"), "");
  expect(() => makeFolder(join(folder, "file/below"))).toThrow("ENOTDIR");
});

test("a folder that can never be made is an error, not an endless loop", () => {
  expect(() => makeFolder("/proc/no-such-folder/below")).toThrow("ENOENT");
});
