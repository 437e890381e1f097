import { isRecord } from "../../core/is-record.ts";
import type { OpenApiSchema } from "../api-schemas.ts";
import type { JsonObject } from "./json-value.ts";
import {
  type FieldManagers,
  managedFieldsOf,
  readManagers,
  type Requester,
  withManagedFields,
  withManagers,
} from "./managed-fields.ts";
import { managersAfterUpdate } from "./ownership.ts";
import { typeOfKind } from "./schema.ts";

/** A write that is no apply: a creation, an update, or a patch of another kind. */
export interface TrackedUpdate extends Requester {
  /** The stored object; undefined for a creation. */
  before?: JsonObject | undefined;
  /** The object as it will be stored, with defaults, before the server sets fields of its own, such as a Service's addresses. */
  after: JsonObject;
  /** Now, RFC 3339 to the second. */
  time: string;
  /** The `openAPIV3Schema` of a custom resource's version. */
  schema?: OpenApiSchema | undefined;
}

/**
 * The object with `metadata.managedFields` as the API server keeps them for a write that is no apply (KEP-555): changed and added
 * fields become the manager's, changed and removed ones stop being others'. A client may write the entries itself, which counts
 * where it can be read; an empty list resets them, and no more is tracked until somebody applies. Nothing given is changed.
 */
export function trackUpdate({ before, after, time, schema, ...requester }: TrackedUpdate): JsonObject {
  const bare = withManagedFields(after, undefined);
  const managers = managersOf(before, after, requester);
  // An object without managers was reset, or is older than their tracking.
  if (before !== undefined && managers.size === 0) return bare;
  const live = before === undefined ? {} : withManagedFields(before, undefined);
  const isCustom = schema !== undefined;
  const type = typeOfKind(requester.gvk, schema);
  return withManagers(before, bare, managersAfterUpdate(type, live, bare, managers, { ...requester, isCustom, time }));
}

function managersOf(before: JsonObject | undefined, after: JsonObject, { subresource }: Requester): FieldManagers {
  const stored = (): FieldManagers => readable(before && managedFieldsOf(before));
  if (subresource !== undefined && subresource !== "") return stored();
  const written = managedFieldsOf(after);
  if (isReset(written)) return new Map();
  const managers = readable(written);
  return managers.size === 0 ? stored() : managers;
}

function isReset(entries: unknown): boolean {
  if (!Array.isArray(entries)) return false;
  const [first] = entries as unknown[];
  return entries.length === 0 || (entries.length === 1 && isRecord(first) && Object.keys(first).length === 0);
}

/** Entries that nobody can read count as none: what a client wrote there must not stop other writes. */
function readable(entries: unknown): FieldManagers {
  try {
    return readManagers(entries);
  } catch (error) {
    if (error instanceof TypeError) return new Map();
    throw error;
  }
}
