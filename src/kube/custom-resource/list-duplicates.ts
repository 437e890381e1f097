import { isRecord } from "../../core/is-record.ts";
import { below, fieldSchema, type CustomSchema } from "./custom-schema.ts";
import type { FieldProblem } from "./field-problem.ts";

/** Items that stand twice in a list of type `set`, or have the keys of another in one of type `map` (apiextensions-apiserver listtype). */
export function duplicatesIn(value: unknown, schema: CustomSchema, path: string): FieldProblem[] {
  if (isRecord(value)) {
    return Object.keys(value).flatMap((name) => {
      const known = fieldSchema(schema, name);
      return known === undefined ? [] : duplicatesIn(value[name], known, below(path, name));
    });
  }
  if (!Array.isArray(value)) return [];
  const { items } = schema;
  const within = isRecord(items) ? value.flatMap((item, index) => duplicatesIn(item, items, `${path}[${index}]`)) : [];
  const identity = identityOf(schema);
  if (identity === undefined) return within;
  const seen = new Set<string>();
  const own = value.flatMap((item, index): FieldProblem[] => {
    const id = JSON.stringify(identity(item));
    if (!seen.has(id)) {
      seen.add(id);
      return [];
    }
    return [{ reason: "FieldValueDuplicate", message: `Duplicate value: ${id}`, field: `${path}[${index}]` }];
  });
  return [...own, ...within];
}

function identityOf(schema: CustomSchema): ((item: unknown) => unknown) | undefined {
  if (schema["x-kubernetes-list-type"] === "set") return (item) => item;
  if (schema["x-kubernetes-list-type"] !== "map") return undefined;
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  return (item) => (isRecord(item) ? Object.fromEntries(keys.map((key) => [key, item[key]])) : item);
}
