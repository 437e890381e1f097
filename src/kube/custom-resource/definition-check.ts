import { isRecord } from "../../core/is-record.ts";
import { below, type CustomSchema } from "./custom-schema.ts";
import { invalidField, requiredField, unsupportedField, type FieldProblem } from "./field-problem.ts";

const TYPES = ["array", "boolean", "integer", "number", "object", "string"];
const LISTS = ["allOf", "anyOf", "oneOf", "required", "enum", "x-kubernetes-validations", "x-kubernetes-list-map-keys"];
const NUMBERS = [
  "minimum",
  "maximum",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "minProperties",
  "maxProperties",
];

/**
 * What an API server refuses of a CustomResourceDefinition, as far as what is read here depends on it: its names, scope, versions and the
 * types of its schemas (apiextensions-apiserver apis/apiextensions/validation, schema/validation).
 */
export function checkDefinition({ metadata, spec }: { metadata: { name?: string }; spec?: unknown }): FieldProblem[] {
  if (!isRecord(spec)) return [requiredField("spec")];
  const names = isRecord(spec["names"]) ? spec["names"] : {};
  const { group, scope } = spec;
  const { plural, kind } = names;
  const versions = Array.isArray(spec["versions"]) ? spec["versions"].filter(isRecord) : [];
  const problems: FieldProblem[] = [];
  if (metadata.name !== `${String(plural)}.${String(group)}`)
    problems.push(invalidField("metadata.name", metadata.name, 'must be spec.names.plural+"."+spec.group'));
  for (const [field, value] of Object.entries({ "spec.group": group, "spec.scope": scope }))
    if (typeof value !== "string" || value === "") problems.push(requiredField(field));
  if (typeof scope === "string" && scope !== "" && !["Cluster", "Namespaced"].includes(scope))
    problems.push(unsupportedField("spec.scope", scope, ["Cluster", "Namespaced"]));
  for (const [field, value] of Object.entries({ plural, kind }))
    if (typeof value !== "string" || value === "") problems.push(requiredField(`spec.names.${field}`));
  if (versions.filter(({ storage }) => storage === true).length !== 1)
    problems.push(invalidField("spec.versions", versions, "must have exactly one version marked as storage version"));
  return [...problems, ...versions.flatMap((version, index) => versionProblems(version, index, versions.length))];
}

function versionProblems({ schema }: Record<string, unknown>, index: number, count: number): FieldProblem[] {
  const own = `spec.versions[${index}].schema.openAPIV3Schema`;
  const root = isRecord(schema) ? schema["openAPIV3Schema"] : undefined;
  if (!isRecord(root)) return [requiredField(own)];
  // One version's schema counts as that of all of them.
  return schemaProblems(root, count === 1 ? "spec.validation.openAPIV3Schema" : own, "at the root");
}

function schemaProblems(schema: Record<string, unknown>, path: string, where: string): FieldProblem[] {
  const { type, properties, items, additionalProperties } = schema as CustomSchema;
  const isOpen =
    schema["x-kubernetes-int-or-string"] === true || schema["x-kubernetes-preserve-unknown-fields"] === true;
  const problems: FieldProblem[] = [];
  if (type === undefined || type === "") {
    if (!isOpen || where === "at the root") problems.push(requiredField(`${path}.type`, `must not be empty ${where}`));
  } else if (!TYPES.includes(type)) problems.push(unsupportedField(`${path}.type`, type, TYPES));
  for (const [names, isRight] of [
    [LISTS, Array.isArray],
    [NUMBERS, (value: unknown) => typeof value === "number"],
  ] as const)
    for (const name of names)
      if (schema[name] !== undefined && !isRight(schema[name]))
        problems.push(invalidField(below(path, name), schema[name], "is of another type"));
  const children: [string, unknown, string][] = [
    ...Object.entries(isRecord(properties) ? properties : {}).map(([name, one]): [string, unknown, string] => [
      `${path}.properties[${name}]`,
      one,
      "for specified object fields",
    ]),
    [`${path}.items`, items, "for specified array items"],
    [`${path}.additionalProperties`, additionalProperties, "for specified object fields"],
  ];
  return [...problems, ...children.flatMap(([at, one, what]) => (isRecord(one) ? schemaProblems(one, at, what) : []))];
}
