import type { CustomSchema } from "./custom-schema.ts";
import { invalidField, NO_FIELD, type FieldProblem } from "./field-problem.ts";

/** What `allOf`, `anyOf`, `oneOf` and `not` of a schema refuse; `check` says what one schema refuses of the value. */
export function checkAlternatives(
  { allOf = [], anyOf = [], oneOf = [], not }: CustomSchema,
  path: string,
  check: (schema: CustomSchema) => FieldProblem[],
): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const refuse = (why: string): void =>
    void problems.push(invalidField(NO_FIELD, "", `${JSON.stringify(path)} ${why}`));
  const found = anyOf.map(check);
  if (found.length > 0 && found.every(({ length }) => length > 0)) {
    refuse("must validate at least one schema (anyOf)");
    problems.push(...nearest(found));
  }
  const exact = oneOf.map(check);
  const valid = exact.filter(({ length }) => length === 0).length;
  if (exact.length > 0 && valid !== 1) {
    const count = valid === 0 ? "none valid" : `${valid} valid alternatives`;
    refuse(`must validate one and only one schema (oneOf). Found ${count}`);
    if (valid === 0) problems.push(...nearest(exact));
  }
  const all = allOf.map(check);
  if (all.some(({ length }) => length > 0)) {
    problems.push(...all.flat());
    refuse(`must validate all the schemas (allOf)${all.every(({ length }) => length > 0) ? ". None validated" : ""}`);
  }
  if (not !== undefined && check(not).length === 0) refuse("must not validate the schema (not)");
  return problems;
}

/** The alternative that refuses the least. */
function nearest(alternatives: readonly FieldProblem[][]): FieldProblem[] {
  return alternatives.toSorted((a, b) => a.length - b.length)[0] ?? [];
}
