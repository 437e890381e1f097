import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { cnis } from "../../../src/cnis/registry.ts";

describe.each(Object.entries(cnis))("the CNI %s", (key, cni) => {
  it("bears its key as name", () => {
    expect(cni.name).toBe(key);
  });

  it("has a default mode among its modes", () => {
    expect(cni.modes.map(({ name }) => name)).toContain(cni.defaultMode);
  });

  it("has a page", () => {
    expect(existsSync(new URL(`../../../docs/cnis/${key}.md`, import.meta.url))).toBe(true);
  });
});
