import { fieldOf } from "../../core/json-field.ts";
import { isRecord } from "../../core/is-record.ts";

/** A structural schema of a CustomResourceDefinition (apiextensions/v1 JSONSchemaProps), as far as it is read here. */
export interface CustomSchema {
  type?: string;
  format?: string;
  nullable?: boolean;
  properties?: Record<string, CustomSchema>;
  additionalProperties?: CustomSchema | boolean;
  items?: CustomSchema;
  required?: string[];
  enum?: unknown[];
  default?: unknown;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: boolean;
  exclusiveMaximum?: boolean;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  minProperties?: number;
  maxProperties?: number;
  allOf?: CustomSchema[];
  anyOf?: CustomSchema[];
  oneOf?: CustomSchema[];
  not?: CustomSchema;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
  "x-kubernetes-embedded-resource"?: boolean;
  "x-kubernetes-int-or-string"?: boolean;
  "x-kubernetes-list-type"?: string;
  "x-kubernetes-list-map-keys"?: string[];
  "x-kubernetes-validations"?: unknown[];
}

/** Fields of every object, and of one that is embedded in another: no schema of a custom resource says what they are. */
export const OBJECT_FIELDS: ReadonlySet<string> = new Set(["apiVersion", "kind", "metadata"]);

/** The schema of a field by its name: that of the property, else that of all others; undefined where neither says more than "any". */
export function fieldSchema(schema: CustomSchema, name: string): CustomSchema | undefined {
  const own = fieldOf(schema.properties ?? {}, name);
  if (isRecord(own)) return own;
  return isRecord(schema.additionalProperties) ? schema.additionalProperties : undefined;
}

/** A field's path behind its parent's. */
export function below(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
