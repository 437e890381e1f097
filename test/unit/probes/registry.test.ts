import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { probeKinds } from "../../../src/probes/registry.ts";

const root = new URL("../../../", import.meta.url);

describe.each(Object.entries(probeKinds))("probe kind %s", (key, kind) => {
  it("is registered under its own name", () => {
    expect(kind.kind).toBe(key);
  });

  it("has a page that shows it in a lab and tells its outcomes", () => {
    const page = new URL(`docs/probes/${key}.md`, root);
    expect(existsSync(page)).toBe(true);
    const text = readFileSync(page, "utf8");
    expect(text).toMatch(new RegExp(`^# ${key}$`, "m"));
    expect(text).toMatch(new RegExp("```yaml[^`]*\\b" + key + ":"));
    for (const heading of ["## Options", "## Outcome", "## Traps"]) expect(text).toContain(heading);
  });

  it("has a page that names every option and figure", () => {
    const text = readFileSync(new URL(`docs/probes/${key}.md`, root), "utf8");
    const names = [
      ...fieldsOf(kind.options),
      ...("expect" in kind && kind.expect !== undefined ? fieldsOf(kind.expect) : []),
    ];
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) expect(text, name).toContain(`\`${name}\``);
  });

  it("has a unit test", () => {
    expect(existsSync(new URL(`test/unit/probes/${key}.test.ts`, root))).toBe(true);
  });
});

/** Names of a schema's fields, those of its alternatives and inner schemas included. */
function fieldsOf(schema: unknown): string[] {
  const definition = (schema as { _zod?: { def?: Record<string, unknown> } })._zod?.def;
  if (definition === undefined) return [];
  const { shape, options, in: input } = definition as { shape?: object; options?: unknown[]; in?: unknown };
  return [
    ...Object.keys(shape ?? {}),
    ...(options ?? []).flatMap(fieldsOf),
    ...(input === undefined ? [] : fieldsOf(input)),
  ];
}
