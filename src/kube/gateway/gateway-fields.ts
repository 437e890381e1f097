import type { CustomSchema } from "../custom-resource/custom-schema.ts";
import { interpretedGatewayKinds } from "./gateway-kinds.ts";

/** The schemas in the notation of api-fields.json: kinds, and the fields of each object type. */
export function gatewayFields(): {
  kinds: Record<string, { apiVersion: string; type: string; namespaced: boolean }>;
  types: Record<string, Record<string, string>>;
} {
  const kinds: ReturnType<typeof gatewayFields>["kinds"] = {};
  const types: Record<string, Record<string, string>> = {};
  for (const { kind, apiVersion, namespaced, schema } of interpretedGatewayKinds()) {
    const type = `Gateway API ${kind}`;
    kinds[kind] = { apiVersion, type, namespaced };
    notation(schema, type, types);
    types[type] = { apiVersion: "string!", kind: "string!", metadata: "V1ObjectMeta!", ...types[type] };
  }
  return { kinds, types };
}

function notation(schema: CustomSchema, name: string, types: Record<string, Record<string, string>>): string {
  const { type, properties, items, additionalProperties, required = [] } = schema;
  if (type === "array") return `${items === undefined ? "*" : notation(items, name, types)}[]`;
  if (type === "integer") return "#";
  if (type !== "object") return type ?? "*";
  if (typeof additionalProperties === "object") return `{${notation(additionalProperties, name, types)}}`;
  if (properties === undefined) return "*";
  types[name] = Object.fromEntries(
    Object.entries(properties).map(([field, known]) => [
      field,
      `${notation(known, `${name}.${field}`, types)}${required.includes(field) ? "!" : ""}`,
    ]),
  );
  return name;
}
