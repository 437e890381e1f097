import { isRecord } from "../../core/is-record.ts";
import { fieldOf, setField } from "../../core/json-field.ts";
import { fieldSchema, type CustomSchema } from "./custom-schema.ts";

/**
 * Fills in the defaults of an object's schema, to its depth (apiextensions-apiserver schema/defaulting). A null is an absent field unless the
 * schema says `nullable`.
 */
export function fillCustomDefaults(value: unknown, schema: CustomSchema): void {
  if (Array.isArray(value)) {
    if (isRecord(schema.items)) for (const item of value) fillCustomDefaults(item, schema.items);
    return;
  }
  if (!isRecord(value)) return;
  for (const name of Object.keys(value)) {
    const known = fieldSchema(schema, name);
    if (value[name] === null && known !== undefined && known.nullable !== true) delete value[name];
  }
  for (const [name, { default: wanted }] of Object.entries(schema.properties ?? {})) {
    if (wanted !== undefined && fieldOf(value, name) === undefined) setField(value, name, structuredClone(wanted));
  }
  for (const name of Object.keys(value)) {
    const known = fieldSchema(schema, name);
    if (known !== undefined) fillCustomDefaults(value[name], known);
  }
}
