import { isRecord } from "../../core/is-record.ts";
import { checkValue } from "../custom-resource/check-value.ts";
import { below, type CustomSchema } from "../custom-resource/custom-schema.ts";
import { invalidField, NO_FIELD, type FieldProblem } from "../custom-resource/field-problem.ts";
import { fillCustomDefaults } from "../custom-resource/fill-defaults.ts";
import type { ManifestFindings } from "../manifest-findings.ts";
import type { KubeObject } from "../types.ts";
import { gatewaySchemaOf } from "./gateway-kinds.ts";
import { GATEWAY_RULES } from "./gateway-rules.ts";

/** Fills in the API's defaults; of other kinds nothing. */
export function fillGatewayDefaults(object: KubeObject): void {
  const schema = gatewaySchemaOf(object);
  if (schema !== undefined) fillCustomDefaults(object, schema);
}

/** A field that the API refuses. */
export interface GatewayProblem {
  /** `spec.rules[0].matches`. */
  field: string;
  value: unknown;
  /** What is wrong with the value; empty of one that is missing. */
  why: string;
  isMissing: boolean;
}

/** What the API refuses of an object of the Gateway API, its rules included; nothing of other kinds. */
export function gatewayProblems(object: KubeObject): GatewayProblem[] {
  const schema = gatewaySchemaOf(object);
  if (schema === undefined) return [];
  const problems = checkValue(object, schema).filter(({ field }) => field !== NO_FIELD);
  // Rules take a value of the right form for granted, as those of an API server do.
  const found = problems.length > 0 ? problems : brokenRules(object, schema, "");
  return found.map(({ field, message, reason }) => {
    const value = valueAt(object, pathOf(field));
    const why = message.replace("Required value", "");
    const introduction = `Invalid value: ${JSON.stringify(value)}: `;
    return {
      field,
      value,
      why: why.startsWith(introduction) ? why.slice(introduction.length) : why,
      isMissing: reason === "FieldValueRequired",
    };
  });
}

function brokenRules(value: unknown, schema: CustomSchema, path: string): FieldProblem[] {
  if (Array.isArray(value)) {
    const { items } = schema;
    const inside = items === undefined ? [] : value.flatMap((item, at) => brokenRules(item, items, `${path}[${at}]`));
    return [...ownRules(value, schema, path), ...inside];
  }
  if (!isRecord(value)) return [];
  const inside = Object.entries(schema.properties ?? {}).flatMap(([name, known]) =>
    Object.hasOwn(value, name) ? brokenRules(value[name], known, below(path, name)) : [],
  );
  return [...ownRules(value, schema, path), ...inside];
}

function ownRules(value: unknown, schema: CustomSchema, path: string): FieldProblem[] {
  return (schema["x-kubernetes-validations"] ?? []).flatMap((each) => {
    const text = isRecord(each) ? String(each["rule"]) : "";
    const known = GATEWAY_RULES.get(text);
    return known === undefined || known.holds(value) ? [] : [invalidField(path, value, known.message)];
  });
}

/** The same of an object in a manifest, each at its place. */
export function checkGatewayObject(object: KubeObject, findings: ManifestFindings): void {
  if (gatewaySchemaOf(object) === undefined) return;
  const filled = structuredClone(object);
  fillGatewayDefaults(filled);
  for (const { field, why, isMissing } of gatewayProblems(filled)) {
    if (isMissing)
      findings.error("MANIFEST_MISSING_FIELD", pathOf(field), `${field} is required`, undefined, "missing");
    else findings.error("MANIFEST_BAD_VALUE", pathOf(field), why.startsWith(field) ? why : `${field}: ${why}`);
  }
}

/** `spec.rules[0].matches` as its steps. */
function pathOf(field: string): (string | number)[] {
  return [...field.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map(([, index, name = ""]) =>
    index === undefined ? name : Number(index),
  );
}

function valueAt(value: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (at, step) => (typeof at === "object" && at !== null ? (at as Record<string | number, unknown>)[step] : undefined),
    value,
  );
}
