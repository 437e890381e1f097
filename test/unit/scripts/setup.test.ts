import { cpSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
// @ts-expect-error plain JavaScript: it runs before there is a compiler
import * as untypedTools from "../../../scripts/host-tools.mjs";
// @ts-expect-error as above
import * as untypedSetup from "../../../scripts/setup.mjs";

interface Tool {
  name: string;
  packages: Record<string, string>;
}

const setup = { ...untypedTools, ...untypedSetup } as {
  checkNode(version: string): void;
  hostTools: Tool[];
  packageManagers: Record<string, { program: string }>;
  installCommands(
    tools: Tool[],
    hasManager: (program: string) => boolean,
  ): { refresh?: string[]; install: string[] } | undefined;
  needsDependencies(folder: string): boolean;
  stampDependencies(folder: string): void;
  needsBuild(folder: string): boolean;
  stampBuild(folder: string): void;
};

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cnilab-setup-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("the Node that is too old", () => {
  test.each(["18.20.4", "20.18.1", "20.9.0"])("%s is refused with what is needed", (version) => {
    expect(() => setup.checkNode(version)).toThrow(`needs Node 20.19 or newer; this is Node ${version}`);
  });

  test.each(["20.19.0", "20.20.2", "22.0.0", "24.1.0"])("%s is not", (version) => {
    expect(() => setup.checkNode(version)).not.toThrow();
  });
});

describe("host tools", () => {
  test("have a package under every package manager", () => {
    const managers = Object.keys(setup.packageManagers);
    for (const tool of setup.hostTools)
      expect(Object.keys(tool.packages).toSorted(), tool.name).toEqual(managers.toSorted());
  });

  test.each([
    ["apt-get", ["apt-get", "install", "-y", "--no-install-recommends", "nftables", "dnsutils"]],
    ["dnf", ["dnf", "install", "-y", "nftables", "bind-utils"]],
    ["apk", ["apk", "add", "nftables", "bind-tools"]],
    ["pacman", ["pacman", "-Sy", "--noconfirm", "--needed", "nftables", "bind"]],
    ["zypper", ["zypper", "--non-interactive", "install", "nftables", "bind-utils"]],
  ])("are installed by %s in one command", (program, install) => {
    const tools = setup.hostTools.filter(({ name }) => name === "nft" || name === "dig");
    expect(setup.installCommands(tools, (asked) => asked === program)?.install).toEqual(install);
  });

  test("that come in one package name it once", () => {
    const tools = setup.hostTools.filter(({ name }) => name === "unshare" || name === "nsenter");
    expect(setup.installCommands(tools, (asked) => asked === "dnf")?.install).toEqual([
      "dnf",
      "install",
      "-y",
      "util-linux",
    ]);
  });

  test("cannot be installed where no package manager is known", () => {
    expect(setup.installCommands(setup.hostTools, () => false)).toBeUndefined();
  });
});

describe("npm dependencies", () => {
  const lock = (): string => join(folder, "package-lock.json");

  beforeEach(() => {
    mkdirSync(join(folder, "node_modules"));
    writeFileSync(lock(), "{}");
  });

  test("are needed until they were installed", () => {
    expect(setup.needsDependencies(folder)).toBe(true);
    setup.stampDependencies(folder);
    expect(setup.needsDependencies(folder)).toBe(false);
  });

  test("are needed again when node_modules is gone or the lock file says something else", () => {
    setup.stampDependencies(folder);
    writeFileSync(lock(), '{"other":1}');
    expect(setup.needsDependencies(folder)).toBe(true);
    setup.stampDependencies(folder);
    rmSync(join(folder, "node_modules"), { recursive: true });
    expect(setup.needsDependencies(folder)).toBe(true);
  });

  test("are not needed again because the lock file was only touched", () => {
    setup.stampDependencies(folder);
    utimesSync(lock(), new Date(), new Date(Date.now() + 5000));
    expect(setup.needsDependencies(folder)).toBe(false);
  });
});

describe("the build", () => {
  const file = (name: string): string => join(folder, "src", name);

  beforeEach(() => {
    mkdirSync(join(folder, "src/deep"), { recursive: true });
    mkdirSync(join(folder, "dist"));
    mkdirSync(join(folder, "scripts"));
    for (const name of ["tsconfig.json", "scripts/build.mjs"]) writeFileSync(join(folder, name), "{}");
    writeFileSync(file("a.ts"), "a");
    writeFileSync(file("deep/b.ts"), "b");
    setup.stampBuild(folder);
  });

  test("is not needed while nothing changes", () => {
    expect(setup.needsBuild(folder)).toBe(false);
  });

  test.each([
    ["a file changes", () => writeFileSync(file("deep/b.ts"), "changed")],
    ["a file is added", () => cpSync(file("a.ts"), file("c.ts"), { preserveTimestamps: true })],
    ["a file is removed", () => rmSync(file("a.ts"))],
    ["the compiler's settings change", () => writeFileSync(join(folder, "tsconfig.json"), '{"a":1}')],
    ["dist is gone", () => rmSync(join(folder, "dist"), { recursive: true })],
  ])("is needed when %s", (_what, change) => {
    change();
    expect(setup.needsBuild(folder)).toBe(true);
  });
});
