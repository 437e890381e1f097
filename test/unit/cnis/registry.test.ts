import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { cnis } from "../../../src/cnis/registry.ts";
import type { Cni } from "../../../src/cnis/types.ts";
import { netns } from "../../../src/providers/netns/provider.ts";
import lock from "../../../src/supplies/lock.json" with { type: "json" };

describe.each(Object.entries<Cni>(cnis))("the CNI %s", (key, cni) => {
  it("bears its key as name", () => {
    expect(cni.name).toBe(key);
  });

  it("has a default mode among its modes", () => {
    expect(cni.modes.map(({ name }) => name)).toContain(cni.defaultMode);
  });

  it("has a page", () => {
    expect(existsSync(new URL(`../../../docs/cnis/${key}.md`, import.meta.url))).toBe(true);
  });

  it("can be installed in each of its modes, from a manifest that the lock knows", () => {
    expect(Object.keys(cni.install.modes)).toEqual(cni.modes.map(({ name }) => name));
    const locked = lock.files.map(({ name }) => name);
    for (const { manifest } of Object.values(cni.install.modes)) expect(locked).toContain(manifest);
  });

  it("runs in the embedded engine in modes of its own, or has no model and runs nowhere there", () => {
    const embedded = netns.capabilities().cnis[key];
    expect(embedded === undefined).toBe(cni.dataplane === undefined);
    for (const mode of embedded ?? []) expect(Object.keys(cni.install.modes)).toContain(mode);
  });

  it("enforces policy in its model where it does so", () => {
    expect(cni.dataplane?.policy !== undefined).toBe(cni.dataplane !== undefined && cni.enforcesPolicy);
    expect(cni.dataplane?.policy?.admin !== undefined).toBe(cni.enforcesAdminPolicy);
  });

  it("has every mode in the support table of its page", () => {
    const page = readFileSync(new URL(`../../../docs/cnis/${key}.md`, import.meta.url), "utf8");
    for (const { name } of cni.modes) expect(page).toMatch(new RegExp(`^\\| \`${name}\` .*\\|$`, "m"));
  });
});
