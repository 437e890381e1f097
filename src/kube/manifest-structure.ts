import { isRecord } from "../core/is-record.ts";
import { didYouMean, nearestName } from "../core/suggest.ts";
import type { YamlPath } from "../core/yaml-document.ts";
import { fieldsOf, type FieldType } from "./api-fields.ts";
import { formatPath, type ManifestFindings } from "./manifest-findings.ts";

/** What the API server demands beyond its published schema, or makes of absence that nobody means. */
const ALSO_REQUIRED: Readonly<Record<string, readonly string[]>> = {
  V1Pod: ["spec"],
  V1Service: ["spec"],
  V1Deployment: ["spec"],
  V1ReplicaSet: ["spec"],
  V1ReplicaSetSpec: ["template"],
  V1StatefulSet: ["spec"],
  V1DaemonSet: ["spec"],
  V1PodTemplateSpec: ["metadata", "spec"],
  V1Container: ["image"],
  // An absent podSelector selects every pod since 1.34 and was refused before.
  V1NetworkPolicy: ["spec"],
  V1NetworkPolicySpec: ["podSelector"],
};

const MAX_UNKNOWN_FIELDS = 50;

const MISSING_HINTS: Readonly<Record<string, string>> = {
  podSelector: "podSelector: {} selects every pod of the namespace",
};

/**
 * Checks a value against an object type of the API: unknown fields, wrong types, missing required fields. Returns the
 * value as the API server would store it: fields without a value (null) are gone. Depth is bounded by the YAML reader.
 */
export function checkStructure(value: unknown, type: FieldType, path: YamlPath, findings: ManifestFindings): unknown {
  switch (type.is) {
    case "any":
      return value;
    case "object":
      return isRecord(value)
        ? checkObject(value, type.type, path, findings)
        : wrongType(value, "a map", path, findings);
    case "list":
      if (!Array.isArray(value)) return wrongType(value, "a list", path, findings, `begin each item with "- "`);
      return value.map((item, index) => checkStructure(item, type.of, [...path, index], findings));
    case "map":
      if (!isRecord(value)) return wrongType(value, "a map", path, findings);
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [
          key,
          item === null ? "" : checkStructure(item, type.of, [...path, key], findings),
        ]),
      );
    default:
      return isScalarOf(type.is, value)
        ? value
        : wrongType(value, SCALAR_WORDS[type.is], path, findings, quoteHint(type.is, value));
  }
}

function checkObject(
  value: Record<string, unknown>,
  type: string,
  path: YamlPath,
  findings: ManifestFindings,
): unknown {
  const fields = fieldsOf(type);
  const checked: Record<string, unknown> = {};
  /** What misspelt and misplaced fields stand for: it is not also reported as missing. */
  const meant = new Set<string | undefined>();
  let unknownCount = 0;
  for (const [name, item] of Object.entries(value)) {
    const field = fields.get(name);
    if (field === undefined) {
      // A map with so many wrong fields is something else altogether; finding each one's place takes time.
      if (++unknownCount > MAX_UNKNOWN_FIELDS) continue;
      meant.add(meantField(name, value, fields));
      const where = path.length > 0 ? ` in ${formatPath(path)}` : "";
      findings.error(
        "MANIFEST_UNKNOWN_FIELD",
        [...path, name],
        `unknown field ${JSON.stringify(name)}${where}`,
        unknownHint(name, value, fields),
        "key",
      );
    } else if (item !== null) {
      checked[name] = checkStructure(item, field.type, [...path, name], findings);
    } else if (name.endsWith("Selector") && !(ALSO_REQUIRED[type] ?? []).includes(name)) {
      const hint = `write ${name}: {} to select everything, or remove the line`;
      findings.warn(
        "MANIFEST_NULL_SELECTOR",
        [...path, name],
        `${name} has no value, so the API drops it`,
        hint,
        "key",
      );
    }
  }
  for (const name of requiredFields(type)) {
    const isWritten = value[name] !== undefined && value[name] !== null;
    if (isWritten || (meant.has(name) && !(name in value))) continue;
    const where = path.length > 0 ? formatPath(path) : "the object";
    const at = name in value ? "key" : "missing";
    findings.error("MANIFEST_MISSING_FIELD", [...path, name], `${where} needs ${name}`, MISSING_HINTS[name], at);
  }
  return checked;
}

const required = new Map<string, readonly string[]>();

function requiredFields(type: string): readonly string[] {
  let names = required.get(type);
  if (names === undefined) {
    const listed = [...fieldsOf(type)].filter(([, field]) => field.isRequired).map(([name]) => name);
    names = [...new Set([...listed, ...(ALSO_REQUIRED[type] ?? [])])];
    required.set(type, names);
  }
  return names;
}

type Fields = ReadonlyMap<string, { type: FieldType }>;

function unknownHint(name: string, value: Record<string, unknown>, fields: Fields): string | undefined {
  const guess = misspeltField(name, value, fields);
  if (guess !== undefined) return `did you mean ${guess}?`;
  const parent = parentOf(name, fields);
  return parent === undefined ? didYouMean(name, fields.keys()) : `${name} belongs inside ${parent}`;
}

function meantField(name: string, value: Record<string, unknown>, fields: Fields): string | undefined {
  return misspeltField(name, value, fields) ?? parentOf(name, fields);
}

function misspeltField(name: string, value: Record<string, unknown>, fields: Fields): string | undefined {
  return nearestName(
    name,
    [...fields.keys()].filter((known) => !(known in value)),
  );
}

/** A field that stands one level too high is as common as a misspelt one. */
function parentOf(name: string, fields: Fields): string | undefined {
  for (const [parent, { type }] of fields) {
    if (type.is === "object" && fieldsOf(type.type).has(name)) return parent;
  }
  return undefined;
}

const SCALAR_WORDS = {
  string: "a text",
  boolean: "true or false",
  integer: "a whole number",
  number: "a number",
  "int-or-string": "a whole number or a text",
  quantity: "a quantity such as 100m or 64Mi",
} as const;

function isScalarOf(is: keyof typeof SCALAR_WORDS, value: unknown): boolean {
  switch (is) {
    case "string":
      return typeof value === "string";
    case "boolean":
      return typeof value === "boolean";
    case "integer":
      return Number.isSafeInteger(value);
    case "number":
      return Number.isFinite(value);
    case "int-or-string":
      return typeof value === "string" || Number.isSafeInteger(value);
    case "quantity":
      return (
        Number.isFinite(value) ||
        (typeof value === "string" && /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+|[numkKMGTPE]i?)?$/.test(value))
      );
  }
}

function quoteHint(is: keyof typeof SCALAR_WORDS, value: unknown): string | undefined {
  if (is === "string" && (typeof value === "number" || typeof value === "boolean"))
    return `write it in quotes: "${value}"`;
  if ((is === "integer" || is === "number") && typeof value === "string" && /^\d+$/.test(value))
    return "write it without quotes";
  return undefined;
}

function wrongType(
  value: unknown,
  wanted: string,
  path: YamlPath,
  findings: ManifestFindings,
  hint?: string,
): undefined {
  findings.error(
    "MANIFEST_WRONG_TYPE",
    path,
    `${formatPath(path)} must be ${wanted}, not ${describeValue(value)}`,
    hint,
  );
  return undefined;
}

/** A value in an error message: scalars as JSON, cut; collections by their sort. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return "empty";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a map";
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  return typeof value === "number" || typeof value === "boolean" ? String(value) : typeof value;
}
