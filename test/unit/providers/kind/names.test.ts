import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { clusterName, containerNames, ownerOf } from "../../../../src/providers/kind/names.ts";

test("a cluster has the lab's name, and a long one still fits a container's hostname", () => {
  expect(clusterName("shop")).toBe("cnilab-shop");
  const [first, second] = [clusterName(`${"a".repeat(60)}b`), clusterName(`${"a".repeat(60)}c`)];
  expect(first).not.toBe(second);
  expect(`${first}-external-load-balancer`.length).toBeLessThanOrEqual(63);
});

test("containers are called as kind calls them: the first of a role without a number", () => {
  expect(containerNames("c", ["control-plane", "control-plane", "worker", "worker"])).toEqual([
    "c-control-plane",
    "c-control-plane2",
    "c-worker",
    "c-worker2",
  ]);
});

test("an owner is one state directory, by whatever path it is reached", () => {
  const folder = mkdtempSync(join(tmpdir(), "cnilab-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  symlinkSync(folder, join(folder, "link"));
  expect(ownerOf(join(folder, "link"))).toBe(ownerOf(folder));
  expect(ownerOf(join(folder, "other"))).not.toBe(ownerOf(folder));
});
