import { LabError, type LabErrorOptions } from "../../core/errors.ts";

/** Where an object's field is wrong, in the words of the API (apimachinery field.Error). */
export interface WrongField {
  /** Path of the field: `spec.ports[0].nodePort`. */
  field: string;
  value: unknown;
  /** What the API says of it: `field is immutable`; of a missing one it may be empty. */
  detail: string;
  /** Absent: the value is not one that it may have. */
  reason?: "required" | "not-supported";
}

/** A LabError of one field of the object that a rule refuses. */
export class FieldError extends LabError {
  readonly wrong: WrongField;

  constructor(code: string, message: string, wrong: WrongField, options: LabErrorOptions = {}) {
    super(code, message, options);
    this.name = "FieldError";
    this.wrong = wrong;
  }
}
