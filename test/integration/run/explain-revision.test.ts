import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readGitFolder } from "../../../src/exec/git-tree.ts";
import type { RunContext } from "../../../src/run/context.ts";
import { explainDiff } from "../../../src/run/explain-diff.ts";

let repository: string;
const { signal } = new AbortController();

beforeEach(() => {
  repository = mkdtempSync(join(tmpdir(), "cnilab-git-"));
  mkdirSync(join(repository, "k8s/below"), { recursive: true });
  git("init", "-q");
});

afterEach(() => rmSync(repository, { recursive: true, force: true }));

function git(...args: string[]): void {
  const identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"];
  execFileSync("git", ["-C", repository, ...identity, ...args], {
    env: { PATH: process.env["PATH"], GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_SYSTEM: "/dev/null" },
    stdio: "pipe",
  });
}

function write(name: string, text: string | Uint8Array): void {
  writeFileSync(join(repository, name), text);
}

function commit(): void {
  git("add", "-A");
  git("commit", "-q", "-m", "state");
}

const limits = { maxFiles: 10, maxBytes: 1000 };
const read = (folder: string, revision: string, isWanted = (_path: string) => true) =>
  readGitFolder(join(repository, folder), revision, { isWanted, limits, signal });

it("reads the files of a commit below a folder, and nothing of the work tree", async () => {
  write("outside.yaml", "no");
  write("k8s/a.yaml", "one\n\ntwo");
  write("k8s/below/ü b.yaml", new Uint8Array([0, 10, 255]));
  write("k8s/empty.yaml", "");
  symlinkSync("/etc/passwd", join(repository, "k8s/link.yaml"));
  commit();
  write("k8s/a.yaml", "changed");
  write("k8s/new.yaml", "new");
  const files = await read("k8s", "HEAD");
  expect(files.map(({ path, bytes }) => [path, [...bytes]])).toEqual([
    ["a.yaml", [...Buffer.from("one\n\ntwo")]],
    ["below/ü b.yaml", [0, 10, 255]],
    ["empty.yaml", []],
  ]);
  expect(await read("k8s", "HEAD", () => false)).toEqual([]);
});

it("refuses what is no commit, and never takes a revision for an option", async () => {
  write("a.yaml", "x");
  commit();
  await expect(read(".", "nope")).rejects.toMatchObject({ code: "GIT_FAILED" });
  await expect(read(".", "--all")).rejects.toMatchObject({ code: "GIT_FAILED" });
  await expect(read(".", "HEAD:a.yaml")).rejects.toMatchObject({ code: "GIT_FAILED" });
});

it("reads no more than the limits", async () => {
  write("a.yaml", "x".repeat(1001));
  commit();
  await expect(read(".", "HEAD")).rejects.toMatchObject({ code: "GIT_TOO_LARGE" });
});

it("says what changed since a commit", async () => {
  const pod = (name: string): string =>
    `apiVersion: v1\nkind: Pod\nmetadata: { name: ${name} }\nspec: { containers: [{ name: c, image: x }] }\n`;
  const deny =
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: deny }\nspec: { podSelector: {}, policyTypes: [Ingress] }\n";
  write("k8s/pods.yaml", `${pod("web")}---\n${pod("db")}`);
  write("k8s/deny.yaml", deny);
  commit();
  rmSync(join(repository, "k8s/deny.yaml"));
  const context: RunContext = {
    env: {},
    bundle: undefined,
    stateRoot: join(repository, ".state"),
    signal,
    emit: () => {},
    now: () => new Date(0),
    monotonicMs: () => 0,
  };
  const request = { argument: join(repository, "k8s"), other: "HEAD", solved: false, ports: [], addresses: [] };
  const diff = await explainDiff(request, context);
  expect(diff).toMatchObject({ opened: 2, closed: 0, other: { kind: "revision", policies: 1 } });
  expect(diff.changes[0]?.why).toMatchObject([
    {
      text: "default/deny no longer isolates the destination for ingress",
      span: { file: `HEAD:${join(repository, "k8s/deny.yaml")}` },
    },
  ]);
});
