import { isRecord } from "../../core/is-record.ts";
import { openApiSchema } from "../api-schemas.ts";
import { below, fieldSchema, OBJECT_FIELDS, type CustomSchema } from "./custom-schema.ts";

/**
 * Takes away the fields of an object that its schema does not specify, and tells their paths, in order (apiextensions-apiserver
 * schema/pruning). What stands below `x-kubernetes-preserve-unknown-fields` stays, but for what specified fields there do not specify.
 */
export function pruneUnknown(object: Record<string, unknown>, schema: CustomSchema): string[] {
  const unknown: string[] = [];
  prune(object, schema, { path: "", isObject: true, unknown });
  return unknown.toSorted();
}

interface Place {
  path: string;
  /** Whether there are `apiVersion`, `kind` and `metadata`, whatever the schema says. */
  isObject: boolean;
  unknown: string[];
}

function prune(value: unknown, schema: CustomSchema, { path, isObject, unknown }: Place): void {
  const into = (child: unknown, childSchema: CustomSchema, childPath: string): void =>
    prune(child, childSchema, {
      path: childPath,
      isObject: childSchema["x-kubernetes-embedded-resource"] === true,
      unknown,
    });
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries())
      if (isRecord(schema.items)) into(item, schema.items, `${path}[${index}]`);
    return;
  }
  if (!isRecord(value)) return;
  for (const name of Object.keys(value)) {
    const at = below(path, name);
    const known = fieldSchema(schema, name);
    if (isObject && OBJECT_FIELDS.has(name)) {
      if (name === "metadata") pruneMetadata(value[name], at, unknown);
    } else if (known !== undefined) into(value[name], known, at);
    else if (schema.additionalProperties !== true && schema["x-kubernetes-preserve-unknown-fields"] !== true) {
      delete value[name];
      unknown.push(at);
    }
  }
}

function pruneMetadata(metadata: unknown, path: string, unknown: string[]): void {
  if (!isRecord(metadata)) return;
  const { properties = {} } = openApiSchema("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
  for (const name of Object.keys(metadata)) {
    if (Object.hasOwn(properties, name)) continue;
    delete metadata[name];
    unknown.push(below(path, name));
  }
}
