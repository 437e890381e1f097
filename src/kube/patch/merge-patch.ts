import { setField } from "../../core/json-field.ts";
import { isRecord } from "../../core/is-record.ts";
import { type JsonObject } from "./json-value.ts";
import { PatchError } from "./patch-error.ts";

/**
 * A JSON merge patch (RFC 7386): members of the patch replace those of the object, null removes one, lists are replaced
 * whole. Neither argument is changed. Throws PatchError for a patch that is no object, since no object of the API would be left.
 */
export function applyMergePatch(object: JsonObject, patch: unknown): JsonObject {
  if (!isRecord(patch)) throw new PatchError(400, "Invalid JSON Patch");
  return merge(object, patch);
}

function merge(target: unknown, patch: JsonObject): JsonObject {
  const result: JsonObject = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else if (isRecord(value)) setField(result, key, merge(Object.hasOwn(result, key) ? result[key] : undefined, value));
    else setField(result, key, structuredClone(value));
  }
  return result;
}
