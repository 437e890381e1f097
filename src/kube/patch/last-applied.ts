import { fieldOf, setField } from "../../core/json-field.ts";
import { apiVersionOf } from "../group-version.ts";
import { isRecord } from "../../core/is-record.ts";
import { type GroupVersionKind } from "../api-schemas.ts";
import { compareValues } from "./compare-values.ts";
import type { FieldSet } from "./field-set.ts";
import { goJson, type JsonObject } from "./json-value.ts";
import type { Atom } from "./schema.ts";
import { checkType, fieldSetOf } from "./typed-value.ts";

/** Where kubectl's client-side apply keeps what it applied. */
const ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration";

function lastApplied(object: JsonObject): string | undefined {
  const metadata = fieldOf(object, "metadata");
  const annotations = isRecord(metadata) ? fieldOf(metadata, "annotations") : undefined;
  const text = isRecord(annotations) ? fieldOf(annotations, ANNOTATION) : undefined;
  return typeof text === "string" && text !== "" ? text : undefined;
}

/**
 * Fields of kubectl's last client-side apply that still are as it applied them; undefined where there was none. kubectl, when it first
 * applies on the server, may take these without a conflict.
 */
export function allowedByLastApplied(live: JsonObject, gvk: GroupVersionKind, type: Atom): FieldSet | undefined {
  const text = lastApplied(live);
  const applied = text === undefined ? undefined : parse(text);
  if (!isRecord(applied) || applied["apiVersion"] !== apiVersionOf(gvk)) return undefined;
  if (checkType(type, applied, false).length > 0) return undefined;
  const { modified, added, removed } = compareValues(type, applied, live);
  return fieldSetOf(type, applied).difference(modified).difference(added).difference(removed);
}

/** What stands in an annotation is a user's text: what is no JSON there is no last configuration. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The object with that annotation kept up to date, where it has one and kubectl applied. */
export function withLastApplied(
  object: JsonObject,
  { applied, manager }: { applied: JsonObject; manager: string },
): JsonObject {
  if (manager !== "kubectl" || lastApplied(object) === undefined) return object;
  const metadata = object["metadata"] as JsonObject;
  const annotations = { ...(metadata["annotations"] as JsonObject) };
  setField(annotations, ANNOTATION, `${goJson(withoutAnnotation(applied))}\n`);
  return { ...object, metadata: { ...metadata, annotations } };
}

function withoutAnnotation(applied: JsonObject): JsonObject {
  const metadata = applied["metadata"];
  if (!isRecord(metadata) || !isRecord(metadata["annotations"])) return applied;
  const { [ANNOTATION]: _own, ...annotations } = metadata["annotations"];
  return { ...applied, metadata: { ...metadata, annotations } };
}
