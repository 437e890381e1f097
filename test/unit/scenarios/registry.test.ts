import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { scenarios } from "../../../src/scenarios/registry.ts";

const root = new URL("../../../", import.meta.url);

describe.each(Object.entries(scenarios))("scenario kind %s", (key, kind) => {
  it("is registered under its own name", () => {
    expect(kind.kind).toBe(key);
  });

  it("has a page that shows it in a lab", () => {
    const page = new URL(`docs/scenarios/${key}.md`, root);
    expect(existsSync(page)).toBe(true);
    const text = readFileSync(page, "utf8");
    expect(text).toMatch(new RegExp(`^# ${key}$`, "m"));
    expect(text).toMatch(new RegExp("```yaml[^`]*\\b" + key + ":"));
    for (const heading of ["## Options", "## Traps"]) expect(text).toContain(heading);
  });

  it("has a unit test", () => {
    expect(existsSync(new URL(`test/unit/scenarios/${key}.test.ts`, root))).toBe(true);
  });
});
