import { isRecord } from "../../core/is-record.ts";
import { below, fieldSchema, OBJECT_FIELDS, type CustomSchema } from "./custom-schema.ts";
import { checkAlternatives } from "./check-alternatives.ts";
import { invalidField, requiredField, unsupportedField, type FieldProblem } from "./field-problem.ts";
import { hasFormat } from "./formats.ts";
import { duplicatesIn } from "./list-duplicates.ts";

/**
 * What a schema refuses of a value, in the words of an API server (kube-openapi validation, as apiextensions-apiserver passes it on). Rules
 * of CEL (x-kubernetes-validations) are not evaluated; where there are some and the value is refused already, it says that they were
 * not, as an API server does.
 *
 * @param path of the value; @param skipped how much of the path's beginning the words leave out, as they do for a status.
 */
export function checkValue(value: unknown, schema: CustomSchema, path = "", skipped = ""): FieldProblem[] {
  const problems = [...valueProblems(value, schema, path, skipped), ...duplicatesIn(value, schema, path)];
  if (!problems.some(({ reason }) => BLOCKING.has(reason)) || !hasRules(schema)) return problems;
  return [...problems, { reason: "FieldValueInvalid", message: `Invalid value: null: ${UNCHECKED}`, field: "<nil>" }];
}

/** What keeps an API server from evaluating rules (apiextensions-apiserver customresource strategy.go, hasBlockingErr). */
const BLOCKING: ReadonlySet<FieldProblem["reason"]> = new Set([
  "FieldValueRequired",
  "FieldValueTypeInvalid",
  "FieldValueNotSupported",
  "FieldValueTooLong",
  "FieldValueTooMany",
]);
const UNCHECKED =
  "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

/** Whether there are rules of CEL anywhere in a schema. */
export function hasRules(schema: CustomSchema): boolean {
  if ((schema["x-kubernetes-validations"]?.length ?? 0) > 0) return true;
  const { properties = {}, items, additionalProperties } = schema;
  return [...Object.values(properties), items, additionalProperties].some((one) => isRecord(one) && hasRules(one));
}

function valueProblems(value: unknown, schema: CustomSchema, path: string, skipped: string): FieldProblem[] {
  const named = `${path.startsWith(skipped) ? path.slice(skipped.length) : path} in body`;
  if (value === null && schema.nullable === true) return [];
  const typeName = typeOf(value);
  const types = schema["x-kubernetes-int-or-string"] === true ? ["integer", "string"] : [schema.type ?? ""];
  const isOfType = types.some(
    (type) => type === "" || type === typeName || (type === "number" && typeName === "integer"),
  );
  if (!isOfType) return [typeInvalid(path, typeName, `${named} must be of type ${types.join(",")}: "${typeName}"`)];
  const again = (one: CustomSchema): FieldProblem[] => valueProblems(value, one, path, skipped);
  return [
    ...checkAlternatives(schema, path, again),
    ...(typeof value === "string" ? textProblems(value, schema, path, named) : []),
    ...(typeof value === "number" ? numberProblems(value, schema, path, named) : []),
    ...(Array.isArray(value) ? listProblems(value, schema, { path, named, skipped }) : []),
    ...(schema.enum !== undefined && !schema.enum.some((each) => JSON.stringify(each) === JSON.stringify(value))
      ? [unsupportedField(path, value, schema.enum)]
      : []),
    ...(isRecord(value) ? mapProblems(value, schema, { path, named, skipped }) : []),
  ];
}

interface Place {
  path: string;
  named: string;
  skipped: string;
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

function typeInvalid(field: string, value: unknown, why: string): FieldProblem {
  return { ...invalidField(field, value, why), reason: "FieldValueTypeInvalid" };
}

function textProblems(text: string, schema: CustomSchema, path: string, named: string): FieldProblem[] {
  const { minLength = 0, maxLength = Infinity, pattern, format } = schema;
  const problems: FieldProblem[] = [];
  const { length } = [...text];
  if (length > maxLength)
    problems.push({
      reason: "FieldValueTooLong",
      message: `Too long: may not be more than ${maxLength} bytes`,
      field: path,
    });
  if (length < minLength)
    problems.push(invalidField(path, text, `${named} should be at least ${minLength} chars long`));
  if (pattern !== undefined && !matches(text, pattern))
    problems.push(invalidField(path, text, `${named} should match '${pattern}'`));
  if (format !== undefined && !hasFormat(text, format))
    problems.push(typeInvalid(path, text, `${named} must be of type ${format}: ${JSON.stringify(text)}`));
  return problems;
}

/** Go's syntax (RE2) is nearly that of JavaScript; what JavaScript cannot read refuses nothing. */
function matches(text: string, pattern: string): boolean {
  const isCaseless = pattern.startsWith("(?i)");
  const source = (isCaseless ? pattern.slice(4) : pattern)
    .replaceAll(String.raw`\z`, "$")
    .replaceAll(String.raw`\A`, "^");
  try {
    return new RegExp(source, isCaseless ? "i" : "").test(text);
  } catch {
    return true;
  }
}

function numberProblems(value: number, schema: CustomSchema, path: string, named: string): FieldProblem[] {
  const { minimum = -Infinity, maximum = Infinity, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  const problems: FieldProblem[] = [];
  const refuse = (why: string): void => void problems.push(invalidField(path, value, `${named} should be ${why}`));
  if (exclusiveMaximum === true && value >= maximum) refuse(`less than ${maximum}`);
  else if (value > maximum) refuse(`less than or equal to ${maximum}`);
  if (exclusiveMinimum === true && value <= minimum) refuse(`greater than ${minimum}`);
  else if (value < minimum) refuse(`greater than or equal to ${minimum}`);
  if (multipleOf !== undefined && !Number.isInteger(value / multipleOf)) refuse(`a multiple of ${multipleOf}`);
  return problems;
}

function listProblems(list: unknown[], schema: CustomSchema, { path, named, skipped }: Place): FieldProblem[] {
  const { items, minItems = 0, maxItems = Infinity } = schema;
  const problems = isRecord(items)
    ? list.flatMap((item, index) => valueProblems(item, items, `${path}[${index}]`, skipped))
    : [];
  if (list.length < minItems)
    problems.push(invalidField(path, list.length, `${named} should have at least ${minItems} items`));
  if (list.length > maxItems) problems.push(tooMany(path, list.length, maxItems));
  return problems;
}

function mapProblems(
  map: Record<string, unknown>,
  schema: CustomSchema,
  { path, named, skipped }: Place,
): FieldProblem[] {
  const { required = [], minProperties = 0, maxProperties = Infinity } = schema;
  const isEmbedded = schema["x-kubernetes-embedded-resource"] === true;
  const isObject = path === "" || isEmbedded;
  const names = Object.keys(map);
  const problems: FieldProblem[] = [];
  if (names.length < minProperties)
    problems.push(invalidField(path, names.length, `${named} should have at least ${minProperties} properties`));
  if (names.length > maxProperties) problems.push(tooMany(path, names.length, maxProperties));
  for (const name of [...required, ...(isEmbedded ? ["apiVersion", "kind"] : [])])
    if (!Object.hasOwn(map, name)) problems.push(requiredField(below(path, name)));
  for (const name of names.toSorted()) {
    const known = isObject && OBJECT_FIELDS.has(name) ? undefined : fieldSchema(schema, name);
    if (known !== undefined) problems.push(...valueProblems(map[name], known, below(path, name), skipped));
  }
  return problems;
}

function tooMany(field: string, count: number, most: number): FieldProblem {
  return { reason: "FieldValueTooMany", message: `Too many: ${count}: must have at most ${most} items`, field };
}
