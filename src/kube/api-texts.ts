import table from "./api-texts.json" with { type: "json" };
import type { OpenApiSchema } from "./api-schemas.ts";

/*
 * The descriptions of the API's types, 0.4 MB: whoever asks for OpenAPI documents imports this file then, and nothing that a lab starts with does.
 */

const TEXTS = table.types as unknown as Readonly<Record<string, Readonly<Record<string, string>>>>;

/** The description of a type of the API, or of a field of it; undefined where it has none. */
function apiText(type: string, field = ""): string | undefined {
  const texts = TEXTS[type];
  return texts !== undefined && Object.hasOwn(texts, field) ? texts[field] : undefined;
}

/** A copy of the schema of that name in `components.schemas` with the API's own descriptions of the type and its fields. */
export function describedSchema(name: string, schema: OpenApiSchema): OpenApiSchema {
  const { properties } = schema;
  const described = Object.entries(properties ?? {}).map(([field, member]) => [
    field,
    withText(member, apiText(name, field)),
  ]);
  return {
    ...withText(schema, apiText(name)),
    ...(properties === undefined ? {} : { properties: Object.fromEntries(described) as Record<string, OpenApiSchema> }),
  };
}

/** What stands beside a reference is lost in OpenAPI 3.0, so it goes into an allOf. */
function withText(schema: OpenApiSchema, description: string | undefined): OpenApiSchema {
  if (description === undefined) return schema;
  const { $ref, ...rest } = schema;
  return { description, ...($ref === undefined ? schema : { ...rest, allOf: [{ $ref }] }) };
}
