import type { CustomSchema } from "../custom-resource/custom-schema.ts";
import type { GatewayRule } from "./gateway-rules.ts";

/** A label of a DNS name, a DNS name, one that may begin with a wildcard, and a kind of the API. */
const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const DOMAIN = `${LABEL}(\\.${LABEL})*`;
const KIND = "[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?";

export const text = (maxLength: number, more: CustomSchema = {}): CustomSchema => ({
  type: "string",
  maxLength,
  ...more,
});

const named = (pattern: string, maxLength: number, more: CustomSchema = {}): CustomSchema =>
  text(maxLength, { minLength: 1, pattern: `^${pattern}$`, ...more });

export const words = (...values: string[]): CustomSchema => ({ type: "string", enum: values });

export const integer = (minimum: number, maximum: number, more: CustomSchema = {}): CustomSchema => ({
  type: "integer",
  format: "int32",
  minimum,
  maximum,
  ...more,
});

/** Fields whose name ends with `!` are required. */
export function object(fields: Readonly<Record<string, CustomSchema>>, more: CustomSchema = {}): CustomSchema {
  const required = Object.keys(fields).filter((name) => name.endsWith("!"));
  return {
    type: "object",
    properties: Object.fromEntries(Object.entries(fields).map(([name, schema]) => [name.replace("!", ""), schema])),
    ...(required.length === 0 ? {} : { required: required.map((name) => name.slice(0, -1)) }),
    ...more,
  };
}

export const list = (items: CustomSchema, maxItems: number, more: CustomSchema = {}): CustomSchema => ({
  type: "array",
  items,
  maxItems,
  ...more,
});

/** Of which no two have the same value of that field. */
export const listBy = (key: string, items: CustomSchema, maxItems: number, more: CustomSchema = {}): CustomSchema =>
  list(items, maxItems, { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key], ...more });

/** Of texts, by which an API server tells what they cost. */
export const mapOf = (values: CustomSchema, maxProperties: number): CustomSchema => ({
  type: "object",
  additionalProperties: values,
  maxProperties,
});

export const rules = (...all: GatewayRule[]): CustomSchema => ({
  "x-kubernetes-validations": all.map(({ rule, message }) => ({ rule, message })),
});

export const objectName = (): CustomSchema => text(253, { minLength: 1 });
export const namespaceName = (): CustomSchema => named(LABEL, 63);
export const sectionName = (): CustomSchema => named(DOMAIN, 253);
export const hostname = (): CustomSchema => named(`(\\*\\.)?${DOMAIN}`, 253);
export const preciseHostname = (): CustomSchema => named(DOMAIN, 253);
export const port = (): CustomSchema => integer(1, 65_535);
export const kindName = (more: CustomSchema = {}): CustomSchema => named(KIND, 63, more);
export const groupName = (more: CustomSchema = {}): CustomSchema => text(253, { pattern: `^$|^${DOMAIN}$`, ...more });

/** metav1.Condition, at most eight, one a type. */
export const conditions = (more: CustomSchema = {}): CustomSchema =>
  listBy(
    "type",
    object({
      "type!": text(316),
      "status!": words("True", "False", "Unknown"),
      "reason!": text(1024, { minLength: 1 }),
      "message!": text(32_768),
      "lastTransitionTime!": { type: "string", format: "date-time" },
      observedGeneration: { type: "integer", format: "int64", minimum: 0 },
    }),
    8,
    more,
  );

/** What a new object's status begins with, until its controller has seen it. */
export function pending(...types: string[]): { conditions: object[] } {
  return {
    conditions: types.map((type) => ({
      type,
      status: "Unknown",
      reason: "Pending",
      message: "Waiting for controller",
      lastTransitionTime: "1970-01-01T00:00:00Z",
    })),
  };
}
