import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { dockerHost } from "../../../src/exec/docker-address.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cnilab-docker-"));
});

function write(path: string, value: unknown): void {
  mkdirSync(join(folder, path, ".."), { recursive: true });
  writeFileSync(join(folder, path), JSON.stringify(value));
}

function withContext(name: string, host: string): void {
  const digest = createHash("sha256").update(name).digest("hex");
  write(`contexts/meta/${digest}/meta.json`, { Name: name, Endpoints: { docker: { Host: host } } });
}

describe("the engine's address", () => {
  test("is the default socket where nothing says otherwise", () => {
    onTestFinished(() => rmSync(folder, { recursive: true }));
    expect(dockerHost({ DOCKER_CONFIG: folder })).toBeUndefined();
  });

  test("is that of the chosen context, unless the environment says otherwise", () => {
    onTestFinished(() => rmSync(folder, { recursive: true }));
    write("config.json", { currentContext: "rootless" });
    withContext("rootless", "unix:///run/user/1000/docker.sock");
    withContext("far", "ssh://me@far");
    expect(dockerHost({ DOCKER_CONFIG: folder })).toBe("unix:///run/user/1000/docker.sock");
    expect(dockerHost({ DOCKER_CONFIG: folder, DOCKER_CONTEXT: "far" })).toBe("ssh://me@far");
    expect(dockerHost({ DOCKER_CONFIG: folder, DOCKER_HOST: "tcp://h:2375" })).toBe("tcp://h:2375");
    expect(dockerHost({ DOCKER_CONFIG: folder, DOCKER_CONTEXT: "default" })).toBeUndefined();
  });
});
