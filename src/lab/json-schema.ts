import * as z from "zod";
import { examSchema } from "./exam.ts";
import type { LabRegistries } from "./registries.ts";
import { EXPECT_WORDS, labSchema } from "./schema.ts";

type JsonSchema = Record<string, unknown>;

/**
 * The JSON Schema (draft 2020-12) of lab files, for editors. The same for the same registries; printed by
 * `cnilab schema` and committed as schema/lab.json.
 */
export function labJsonSchema(registries: LabRegistries): JsonSchema {
  const schema = toJson(labSchema(registries));
  const properties = schema["properties"] as Record<string, JsonSchema>;
  completeProbes((properties["probes"] as JsonSchema)["items"] as JsonSchema, registries);
  completeSteps((properties["scenario"] as JsonSchema)["items"] as JsonSchema, registries);
  return { $schema: schema["$schema"], $id: "https://cnilab.dev/schema/lab.json", title: "cnilab lab", ...schema };
}

/** The JSON Schema of exam files; `cnilab schema exam` prints it, and it is committed as schema/exam.json. */
export function examJsonSchema(registries: Pick<LabRegistries, "providers">): JsonSchema {
  const schema = toJson(examSchema(registries));
  return { $schema: schema["$schema"], $id: "https://cnilab.dev/schema/exam.json", title: "cnilab exam", ...schema };
}

function toJson(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonSchema;
}

/** What zod cannot say of a probe: exactly one kind, `from` inside the options too, figures by kind. */
function completeProbes(item: JsonSchema, { probes }: LabRegistries): void {
  const properties = item["properties"] as Record<string, JsonSchema>;
  const from = properties["from"] as JsonSchema;
  for (const [name, kind] of Object.entries(probes)) {
    const options = properties[name] as JsonSchema;
    options["description"] ??= kind.summary;
    if (kind.source !== "none" && isObjectSchema(options))
      (options["properties"] as Record<string, JsonSchema>)["from"] ??= from;
  }
  properties["expect"] = { description: `${EXPECT_WORDS.join(", ")}, or figures that the kind of probe defines` };
  item["oneOf"] = Object.entries(probes).map(([name, { expect }]) => {
    const words = { enum: [...EXPECT_WORDS] };
    const figures = expect === undefined ? undefined : withoutDialect(toJson(expect));
    return { required: [name], properties: { expect: figures === undefined ? words : { anyOf: [words, figures] } } };
  });
}

function completeSteps(item: JsonSchema, { scenarios }: LabRegistries): void {
  const properties = item["properties"] as Record<string, JsonSchema>;
  for (const [name, kind] of Object.entries(scenarios))
    (properties[name] as JsonSchema)["description"] ??= kind.summary;
  item["oneOf"] = Object.keys(scenarios).map((name) => ({ required: [name] }));
}

function isObjectSchema(schema: JsonSchema): boolean {
  return schema["type"] === "object" && typeof schema["properties"] === "object";
}

function withoutDialect({ $schema: _dialect, ...schema }: JsonSchema): JsonSchema {
  return schema;
}
