import { examJsonSchema, labJsonSchema } from "../lab/json-schema.ts";
import { registries } from "./registries.ts";

/** The JSON Schemas with every kind there is, as `schema/lab.json` and `schema/exam.json` hold them. */
export function fileSchema(of: "lab" | "exam"): object {
  return of === "lab" ? labJsonSchema(registries) : examJsonSchema(registries);
}
