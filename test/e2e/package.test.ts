import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { repository } from "./cnilab.ts";
import { hostState } from "./host-state.ts";

/** A user id that nobody has: what an ordinary user may do, whatever the accounts of this host. */
const USER = 54321;
const isRoot = process.getuid?.() === 0;

describe("the packed package", () => {
  let folder: string;
  let installed: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "cnilab-package-"));
    chmodSync(folder, 0o755);
    execFileSync("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder], { cwd: repository });
    const [tarball = ""] = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
    execFileSync("tar", ["-xzf", join(folder, tarball), "-C", folder, "--no-same-owner"]);
    installed = join(folder, "package");
    const runtime = execFileSync("npm", ["ls", "--omit=dev", "--all", "--parseable"], {
      cwd: repository,
      encoding: "utf8",
    });
    for (const path of runtime.trim().split("\n").slice(1)) {
      cpSync(path, join(installed, relative(repository, path)), { recursive: true });
    }
    execFileSync("chmod", ["-R", "a+rX", installed]);
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const run = (args: string[], user: number | undefined): string => {
    const home = join(folder, `home-${user ?? "own"}`);
    mkdirSync(home, { recursive: true });
    if (user !== undefined) chownSync(home, user, user);
    return execFileSync(process.execPath, [join(installed, "dist/cli/main.js"), ...args], {
      encoding: "utf8",
      cwd: home,
      env: { PATH: process.env["PATH"], HOME: home, XDG_STATE_HOME: join(home, "state"), NO_COLOR: "1" },
      ...(user !== undefined && { uid: user, gid: user }),
    });
  };

  test("holds what it needs and no more", () => {
    expect(readdirSync(installed).toSorted()).toEqual(
      [
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "ansible",
        "dist",
        "docs",
        "labs",
        "node_modules",
        "package.json",
        "schema",
        "topologies",
      ].toSorted(),
    );
    expect(readdirSync(join(installed, "dist"))).not.toContain("test");
  });

  // As root also for a user who has no rights at all.
  test.each(isRoot ? [undefined, USER] : [undefined])("runs the first lab (as user %s)", (user) => {
    const before = hostState();
    expect(JSON.parse(run(["run", "first-lab", "-o", "json"], user))).toMatchObject({ verdict: "pass" });
    expect(hostState()).toEqual(before);
  });
});
