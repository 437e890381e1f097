/** A field that a schema refuses, as the API tells it (apimachinery field.Error): `field` is its path, or `<nil>` for none. */
export interface FieldProblem {
  reason:
    | "FieldValueRequired"
    | "FieldValueTypeInvalid"
    | "FieldValueInvalid"
    | "FieldValueNotSupported"
    | "FieldValueTooLong"
    | "FieldValueTooMany"
    | "FieldValueDuplicate";
  message: string;
  field: string;
}

/** How the API writes a path that there is none of. */
export const NO_FIELD = "<nil>";

/** A value with why it is wrong. */
export function invalidField(field: string, value: unknown, why: string): FieldProblem {
  return { reason: "FieldValueInvalid", message: `Invalid value: ${JSON.stringify(value)}: ${why}`, field };
}

/** What should be there. */
export function requiredField(field: string, why?: string): FieldProblem {
  return { reason: "FieldValueRequired", message: `Required value${why === undefined ? "" : `: ${why}`}`, field };
}

/** What is none of the values that there are. */
export function unsupportedField(field: string, value: unknown, values: readonly unknown[]): FieldProblem {
  const supported = values.map((each) => JSON.stringify(typeof each === "string" ? each : JSON.stringify(each)));
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: ${supported.join(", ")}`;
  return { reason: "FieldValueNotSupported", message, field };
}
