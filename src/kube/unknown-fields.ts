import { fieldOf } from "../core/json-field.ts";
import { isRecord } from "../core/is-record.ts";
import { openApiSchema, type OpenApiSchema, referenceOf } from "./api-schemas.ts";

/** Takes away the fields of an object of a built-in kind that its type has not, as Go's decoder does, and tells their paths, in order. */
export function dropUnknownFields(value: unknown, schema: OpenApiSchema, path = ""): string[] {
  const name = referenceOf(schema);
  if (name !== undefined) return dropUnknownFields(value, openApiSchema(name), path);
  const { items, properties, additionalProperties } = schema;
  if (Array.isArray(value))
    return items === undefined
      ? []
      : value.flatMap((item, index) => dropUnknownFields(item, items, `${path}[${index}]`));
  // A type without fields of its own may have any, such as what is embedded as it was sent.
  if (!isRecord(value) || (properties === undefined && typeof additionalProperties !== "object")) return [];
  return Object.keys(value)
    .toSorted()
    .flatMap((key) => {
      const at = path === "" ? key : `${path}.${key}`;
      const own = fieldOf(properties ?? {}, key) as OpenApiSchema | undefined;
      const known = own ?? (typeof additionalProperties === "object" ? additionalProperties : undefined);
      if (known !== undefined) return dropUnknownFields(value[key], known, at);
      delete value[key];
      return [at];
    });
}
