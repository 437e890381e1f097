import { setField } from "../../core/json-field.ts";
import { apiVersionOf } from "../group-version.ts";
import { isRecord } from "../../core/is-record.ts";
import { type OpenApiSchema } from "../api-schemas.ts";
import { FieldSet, formatFieldPath, type PathElement } from "./field-set.ts";
import { isSame, type JsonObject } from "./json-value.ts";
import { allowedByLastApplied, withLastApplied } from "./last-applied.ts";
import {
  type FieldManager,
  type FieldManagers,
  identityOf,
  managedFieldsOf,
  managerId,
  ownable,
  readManagers,
  type Requester,
  resetFields,
  withManagedFields,
  withManagers,
} from "./managed-fields.ts";
import { mergeValues } from "./merge-values.ts";
import { changeOf, managersAfterUpdate, type Overlaps, overlapsOf, withoutChanged } from "./ownership.ts";
import { PatchError } from "./patch-error.ts";
import { type Atom, deduce, memberType, typeOfKind } from "./schema.ts";
import { checkType, fieldSetOf, withoutFields } from "./typed-value.ts";

/** A server-side apply. */
export interface Apply extends Requester {
  /** The stored object; undefined where there is none, so that it is created. */
  live?: JsonObject | undefined;
  applied: JsonObject;
  /** Takes fields that others own with another value, instead of a conflict. */
  force: boolean;
  /** Now, RFC 3339 to the second. */
  time: string;
  /** The `openAPIV3Schema` of a custom resource's version. */
  schema?: OpenApiSchema | undefined;
}

/** A field that another manager owns with another value, as a cause of the API's Status. */
export interface FieldConflict {
  reason: "FieldManagerConflict";
  /** `conflict with "manager"`, with its subresource and version. */
  message: string;
  /** Such as `.spec.replicas`. */
  field: string;
}

/** The object to store, before defaults; or the conflicts, with the message of the API's Status (409, reason Conflict). */
export type ApplyResult = { object: JsonObject } | { conflicts: FieldConflict[]; message: string };

/**
 * Server-side apply (KEP-555, sigs.k8s.io/structured-merge-diff): puts the applied fields into the object, removes those that the
 * manager applied before and nobody else owns, and keeps `metadata.managedFields`. Nothing given is changed. Throws PatchError:
 * 400 for an object of another kind or with managedFields, 500, as the API server does, for one that does not fit its type.
 */
export function applyServerSide(apply: Apply): ApplyResult {
  const { live, applied, gvk, force, time, schema } = apply;
  const requester: Requester = { gvk, manager: apply.manager, subresource: apply.subresource };
  const isCustom = schema !== undefined;
  const type = typeOfKind(gvk, schema);
  checkApplied(apply, type);
  const stored: JsonObject = live === undefined ? {} : withManagedFields(live, undefined);
  let managers = storedManagers(live);
  if (managers.size === 0 && live !== undefined) {
    const first = { ...requester, manager: "before-first-apply", isCustom, time };
    managers = managersAfterUpdate(type, {}, stored, managers, first);
  }
  const identity = identityOf(requester, "Apply");
  const id = managerId(identity);
  const fields = fieldSetOf(type, applied).recursiveDifference(resetFields(requester));
  const previous = managers.get(id);
  const withSelf: FieldManagers = new Map([...managers, [id, { ...identity, time: previous?.time, fields }]]);
  const merged = mergeValues(type, stored, applied);
  const pruned = previous === undefined ? merged : prune(type, merged, withSelf, previous.fields);
  const object = withoutNulls(type, pruned) as JsonObject;
  const change = changeOf(type, stored, object, requester, isCustom);
  const overlaps = overlapsOf(change, withSelf, id);
  if (!force && overlaps.size > 0) {
    const refused = refusedOverlaps(overlaps, apply, type);
    if (refused.size > 0) return conflictsOf(refused, withSelf);
  }
  const after = withoutChanged(change, withSelf, id);
  // An apply that changes nothing but who owns what is no new time of its manager.
  own(after, id, identity, fields, isSame(stored, object) ? previous?.time : time);
  return { object: withLastApplied(withManagers(live, object, after), apply) };
}

function own(
  managers: Map<string, FieldManager>,
  id: string,
  identity: Omit<FieldManager, "fields" | "time">,
  applied: FieldSet,
  time: string | undefined,
): void {
  const fields = ownable(applied);
  if (fields.isEmpty) managers.delete(id);
  else managers.set(id, { ...identity, time, fields });
}

function checkApplied({ applied, gvk }: Apply, type: Atom): void {
  const apiVersion = apiVersionOf(gvk);
  if (applied["apiVersion"] !== apiVersion || applied["kind"] !== gvk.kind) {
    const [version = "", group = ""] = String(applied["apiVersion"] ?? "")
      .split("/")
      .toReversed();
    const message = `invalid object type: ${group}/${version}, Kind=${String(applied["kind"] ?? "")}`;
    throw new PatchError(400, message, ".kind");
  }
  if (managedFieldsOf(applied) !== undefined)
    throw new PatchError(400, "metadata.managedFields must be nil", ".metadata.managedFields");
  const [problem, ...others] = checkType(type, applied, false);
  if (problem === undefined) return;
  const lines = [problem, ...others].map(({ path, message }) => `${path}: ${message}`);
  const metadata = isRecord(applied["metadata"]) ? applied["metadata"] : {};
  const name = `${String(metadata["namespace"] ?? "")}/${String(metadata["name"] ?? "")}`;
  const object = `${name}; ${gvk.group}/${gvk.version}, Kind=${gvk.kind}`;
  const list = others.length === 0 ? lines[0] : ["errors:", ...lines.map((line) => `  ${line}`)].join("\n");
  throw new PatchError(500, `failed to create typed patch object (${object}): ${list}`, problem.path);
}

function storedManagers(live: JsonObject | undefined): FieldManagers {
  try {
    return readManagers(live && managedFieldsOf(live));
  } catch (error) {
    if (error instanceof TypeError)
      throw new PatchError(500, `failed to decode managed fields: ${error.message}`, ".metadata.managedFields");
    throw error;
  }
}

/** Without fields and items that the manager applied last time, not now, and nobody else owns. */
function prune(type: Atom, merged: unknown, managers: FieldManagers, last: FieldSet): unknown {
  const named = (set: FieldSet): FieldSet => set.withNamedFields(type);
  const all = named(fieldSetOf(type, merged));
  const lastNamed = named(last);
  const without = (gone: FieldSet): unknown => withoutFields(type, merged, gone);
  let owned = new FieldSet();
  for (const { fields } of managers.values()) owned = owned.union(fields);
  // What the first cut took with it, and somebody owns or nobody had applied, comes back.
  const cut = named(fieldSetOf(type, without(lastNamed)));
  const kept = without(all.difference(cut.union(named(owned))));
  return without(all.difference(named(fieldSetOf(type, kept))).intersection(lastNamed));
}

/** The API server's objects have no null: a field that is applied as null is owned and absent, a text of a map empty. */
function withoutNulls(type: Atom, value: unknown): unknown {
  const { map, list } = deduce(type, value);
  if (Array.isArray(value)) return value.map((item) => withoutNulls(list?.element() ?? {}, item));
  if (!isRecord(value)) return value;
  const kept: JsonObject = {};
  for (const [name, item] of Object.entries(value)) {
    const itemType = (map && memberType(map, name)) ?? {};
    if (item !== null) setField(kept, name, withoutNulls(itemType, item));
    else if (map?.fields.has(name) !== true && itemType.scalar === "string") setField(kept, name, "");
  }
  return kept;
}

/** kubectl may take what its own last client-side apply wrote and nobody changed since. */
function refusedOverlaps(overlaps: Overlaps, { live, gvk, manager }: Apply, type: Atom): Overlaps {
  const allowed = manager === "kubectl" && live !== undefined ? allowedByLastApplied(live, gvk, type) : undefined;
  if (allowed === undefined) return overlaps;
  return new Map(
    [...overlaps]
      .map(([id, fields]): [string, FieldSet] => [id, fields.difference(allowed)])
      .filter(([, fields]) => !fields.isEmpty),
  );
}

function conflictsOf(overlaps: Overlaps, managers: FieldManagers): ApplyResult {
  const conflicts: FieldConflict[] = [];
  const paragraphs: string[] = [];
  for (const [id, fields] of [...overlaps].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const who = describeManager(managers.get(id) as FieldManager);
    const paths = [...fields.paths()].map((path: readonly PathElement[]) => formatFieldPath(path));
    for (const field of paths)
      conflicts.push({ reason: "FieldManagerConflict", message: `conflict with ${who}`, field });
    paragraphs.push(`conflicts with ${who}:`, ...paths.map((path) => `- ${path}`));
  }
  const [only] = conflicts;
  const message =
    conflicts.length === 1 && only !== undefined
      ? `Apply failed with 1 conflict: ${only.message}: ${only.field}`
      : `Apply failed with ${conflicts.length} conflicts: ${paragraphs.join("\n")}`;
  return { conflicts, message };
}

function describeManager({ manager, operation, apiVersion, subresource }: FieldManager): string {
  const name = JSON.stringify(manager) + (subresource === "" ? "" : ` with subresource ${JSON.stringify(subresource)}`);
  return operation === "Update" ? `${name} using ${apiVersion}` : name;
}
