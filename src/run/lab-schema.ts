import { labJsonSchema } from "../lab/json-schema.ts";
import { registries } from "./registries.ts";

/** The JSON Schema of lab files with every kind there is, as `schema/lab.json` holds it. */
export function labSchema(): object {
  return labJsonSchema(registries);
}
