import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeDockerCommand } from "../../../../src/providers/kind/docker-command.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cnilab docker-"));
  const real = join(folder, "real");
  writeFileSync(real, '#!/bin/sh\nfor word; do printf "%s\\n" "$word"; done\n');
  chmodSync(real, 0o700);
  writeDockerCommand(join(folder, "commands"), real, {
    legs: new Map([
      ["c-control-plane", [{ network: "c.rack1", address: "172.20.0.2" }]],
      [
        "c-worker",
        [
          { network: "c.rack2", address: "172.21.0.2" },
          { network: "c.rack1", address: "172.20.0.3" },
        ],
      ],
    ]),
    hosts: new Map([["c-worker", new Map([["c-control-plane", "172.20.0.2"]])]]),
  });
});

afterEach(() => rmSync(folder, { recursive: true }));

/** The words that the real command gets. */
function passedOn(...args: string[]): string[] {
  const out = execFileSync(join(folder, "commands/docker"), args, { encoding: "utf8" });
  return out.split("\n").slice(0, -1);
}

test("a node is started in its own network under its own address, all other words as they were", () => {
  const words = [
    "--hostname",
    "c-worker",
    "-e",
    "A=b c",
    "",
    "--net",
    "c",
    "--init=false",
    "image",
    "sh",
    "-c",
    "a 'b'",
  ];
  const kept = words.map((word) => (word === "c" ? "c.rack2" : word));
  expect(passedOn("run", "--name", "c-worker", ...words)).toEqual(
    ["run", "--ip", "172.21.0.2", "--add-host", "c-control-plane:172.20.0.2", "--name", "c-worker"].concat(kept),
  );
});

test("a container that is none of the lab's, and every other command, is the real one's", () => {
  expect(passedOn("run", "--name", "other", "--net", "c", "image")).toEqual([
    "run",
    "--name",
    "other",
    "--net",
    "c",
    "image",
  ]);
  expect(passedOn("inspect", "--name", "c-worker", "--net", "c")).toEqual([
    "inspect",
    "--name",
    "c-worker",
    "--net",
    "c",
  ]);
});
