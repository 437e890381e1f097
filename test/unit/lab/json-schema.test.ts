import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { labJsonSchema } from "../../../src/lab/json-schema.ts";
import { fileSchema } from "../../../src/run/lab-schema.ts";
import { fixtureRegistries } from "./fixture-registries.ts";

test.each(["lab", "exam"] as const)(
  "schema/%s.json is what the kinds give (npx tsx scripts/generate-schema.ts)",
  (of) => {
    const text = readFileSync(new URL(`../../../schema/${of}.json`, import.meta.url), "utf8");
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(fileSchema(of))));
  },
);

test("a probe takes exactly one kind, from inside or beside, and figures only of its kind", () => {
  const { properties } = labJsonSchema(fixtureRegistries) as {
    properties: Record<string, { items: Record<string, unknown> }>;
  };
  const probe = properties["probes"]?.items as {
    oneOf: unknown[];
    properties: Record<string, { properties: object }>;
    additionalProperties: boolean;
  };
  const words = { enum: ["allowed", "blocked", "rejected", "policy"] };
  expect(probe.additionalProperties).toBe(false);
  expect(probe.oneOf).toEqual([
    { required: ["tcp"], properties: { expect: words } },
    {
      required: ["ping"],
      properties: {
        expect: {
          anyOf: [words, expect.objectContaining({ properties: expect.objectContaining({ loss: expect.anything() }) })],
        },
      },
    },
    { required: ["matrix"], properties: { expect: words } },
  ]);
  expect(Object.keys(probe.properties["tcp"]?.properties ?? {})).toEqual(["to", "port", "from"]);
});

test("a step takes exactly one kind", () => {
  const { properties } = labJsonSchema(fixtureRegistries) as {
    properties: Record<string, { items: { oneOf: unknown } }>;
  };
  expect(properties["scenario"]?.items.oneOf).toEqual([{ required: ["apply"] }, { required: ["wait"] }]);
});
