import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { followFiles, type AnswerFiles } from "../../../src/run/answer-files.ts";

let folder: string;
let files: AnswerFiles | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cnilab-files-"));
});

afterEach(() => {
  files?.close();
  rmSync(folder, { recursive: true });
});

test("a file that is replaced is told of, and has changed once", async () => {
  const path = join(folder, "a.yaml");
  writeFileSync(path, "one");
  const onChange = vi.fn<() => void>();
  files = followFiles([path], onChange);
  expect(files.changed()).toEqual([path]);
  expect(files.changed()).toEqual([]);
  writeFileSync(join(folder, "a.new"), "two");
  renameSync(join(folder, "a.new"), path);
  await vi.waitFor(() => expect(onChange).toHaveBeenCalled());
  expect(files.changed()).toEqual([path]);
});

test("a file that is empty or gone has not changed", () => {
  const path = join(folder, "a.yaml");
  writeFileSync(path, "one");
  files = followFiles([path], () => undefined);
  files.changed();
  writeFileSync(path, "");
  expect(files.changed()).toEqual([]);
  rmSync(path);
  expect(files.changed()).toEqual([]);
  writeFileSync(path, "one");
  expect(files.changed()).toEqual([]);
});

test("a folder stands for its manifests, those that come later too", () => {
  writeFileSync(join(folder, "b.yml"), "b");
  writeFileSync(join(folder, ".b.yml.swp"), "x");
  files = followFiles([folder], () => undefined);
  expect(files.changed()).toEqual([join(folder, "b.yml")]);
  writeFileSync(join(folder, "a.yaml"), "a");
  expect(files.changed()).toEqual([join(folder, "a.yaml")]);
});

test("what is not there cannot be followed", () => {
  expect(() => followFiles([join(folder, "none.yaml")], () => undefined)).toThrow(/cannot follow/);
});
