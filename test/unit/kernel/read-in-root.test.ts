import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readInRoot } from "../../../src/kernel/read-in-root.ts";

let folder: string;
let root: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "cnilab-root-"));
  root = join(folder, "root");
  mkdirSync(join(root, "etc"), { recursive: true });
  mkdirSync(join(root, "run"));
  writeFileSync(join(folder, "secret"), "of the host");
  writeFileSync(join(root, "secret"), "of the container");
  writeFileSync(join(root, "run/resolv.conf"), "nameserver 10.96.0.10\n");
  symlinkSync("/run/resolv.conf", join(root, "etc/resolv.conf"));
  symlinkSync("../../../../../../../../secret", join(root, "etc/hosts"));
  symlinkSync("/proc/self/root/etc/passwd", join(root, "etc/passwd"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("an absolute link leads to the file below the root", () => {
  expect(readInRoot(root, "/etc/resolv.conf")).toBe("nameserver 10.96.0.10\n");
});

test("no link leads out of the root", () => {
  expect(readInRoot(root, "/etc/hosts")).toBe("of the container");
  expect(() => readInRoot(root, "/etc/passwd")).toThrow(/ENOENT/);
});

test("a folder has no text, and a missing file is an error", () => {
  expect(readInRoot(root, "/etc")).toBe("");
  expect(() => readInRoot(root, "/etc/none")).toThrow(/ENOENT/);
});
