import { fieldOf, setField } from "../../core/json-field.ts";
import { apiVersionOf } from "../group-version.ts";
import { isRecord } from "../../core/is-record.ts";
import { servedKind, type GroupVersionKind } from "../api-schemas.ts";
import { FieldSet } from "./field-set.ts";
import { isSame, type JsonObject } from "./json-value.ts";

/** Who owns which fields of an object, and since when: an entry of `metadata.managedFields` (KEP-555). */
export interface FieldManager {
  manager: string;
  operation: "Apply" | "Update";
  apiVersion: string;
  /** Of the subresource that it writes, or empty. */
  subresource: string;
  /** RFC 3339, to the second; undefined where nobody wrote it down. */
  time: string | undefined;
  fields: FieldSet;
}

/** An object's managers by {@link managerId}. */
export type FieldManagers = ReadonlyMap<string, FieldManager>;

type Identity = Pick<FieldManager, "manager" | "operation" | "apiVersion" | "subresource">;

/** What tells managers apart: all but an applier's version, so that it stays the same when it applies another one. */
export function managerId({ manager, operation, apiVersion, subresource }: Identity): string {
  return JSON.stringify({
    manager,
    operation,
    ...(operation === "Update" && { apiVersion }),
    ...(subresource !== "" && { subresource }),
  });
}

/** Who asks for a change. */
export interface Requester {
  gvk: GroupVersionKind;
  manager: string;
  subresource?: string | undefined;
}

/** The identity under which a request's fields are kept. */
export function identityOf({ gvk, manager, subresource }: Requester, operation: FieldManager["operation"]): Identity {
  const name = manager === "" ? "unknown" : manager;
  return { manager: name, operation, apiVersion: apiVersionOf(gvk), subresource: subresource ?? "" };
}

/** Reads `metadata.managedFields`. Throws TypeError for entries that the API server refuses. */
export function readManagers(entries: unknown): FieldManagers {
  const managers = new Map<string, FieldManager>();
  if (entries === undefined || entries === null) return managers;
  if (!Array.isArray(entries)) throw new TypeError("managedFields is a list");
  for (const entry of entries as unknown[]) {
    const manager = readManager(entry);
    managers.set(managerId(manager), manager);
  }
  return managers;
}

function readManager(entry: unknown): FieldManager {
  if (!isRecord(entry)) throw new TypeError("an entry of managedFields is a map");
  const { operation, apiVersion, fieldsType, fieldsV1, manager, subresource, time } = entry;
  if (operation !== "Apply" && operation !== "Update") throw new TypeError("operation must be `Apply` or `Update`");
  if (typeof apiVersion !== "string" || apiVersion === "") throw new TypeError("apiVersion must not be empty");
  if (fieldsType !== "FieldsV1") throw new TypeError(`invalid fieldsType ${JSON.stringify(fieldsType)}`);
  return {
    manager: text(manager),
    operation,
    apiVersion,
    subresource: text(subresource),
    time: typeof time === "string" ? time : undefined,
    fields: FieldSet.fromFieldsV1(fieldsV1 ?? {}),
  };
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The entries of `metadata.managedFields`, in the API server's order. */
export function writeManagers(managers: FieldManagers): JsonObject[] {
  const order = (manager: FieldManager): (string | number)[] => [
    manager.operation,
    Date.parse(manager.time ?? "") || 0,
    manager.manager,
    manager.apiVersion,
    manager.subresource,
  ];
  return [...managers.values()]
    .toSorted((a, b) => compareLists(order(a), order(b)))
    .map(({ manager, operation, apiVersion, time, fields, subresource }) => ({
      manager,
      operation,
      apiVersion,
      ...(time !== undefined && { time }),
      fieldsType: "FieldsV1",
      fieldsV1: fields.toFieldsV1(),
      ...(subresource !== "" && { subresource }),
    }));
}

function compareLists(left: readonly (string | number)[], right: readonly (string | number)[]): number {
  const index = left.findIndex((value, at) => value !== right[at]);
  return index === -1 ? 0 : (left[index] as string) < (right[index] as string) ? -1 : 1;
}

/** What every object has and nobody owns. */
const UNOWNED = FieldSet.of(
  ["f:apiVersion"],
  ["f:kind"],
  ["f:metadata"],
  ...["name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation"].map((name) => [
    "f:metadata",
    `f:${name}`,
  ]),
  ["f:metadata", "f:managedFields"],
  ["f:metadata", "f:resourceVersion"],
);

/** A set without the fields that nobody owns. */
export function ownable(fields: FieldSet): FieldSet {
  return fields.difference(UNOWNED);
}

/**
 * Fields that a request does not write, whatever its body says, and so cannot own: status, but by way of its subresource, which
 * writes nothing else (GetResetFields of the API server's strategies).
 */
export function resetFields({ gvk, subresource }: Requester): FieldSet {
  if (!(servedKind(gvk)?.subresources.includes("status") ?? false)) return new FieldSet();
  if (subresource === undefined || subresource === "" || subresource === "scale") return FieldSet.of(["f:status"]);
  if (subresource !== "status") return new FieldSet();
  const metadata = RESET_BY_STATUS[`${apiVersionOf(gvk)} ${gvk.kind}`] ?? [];
  return FieldSet.of(["f:spec"], ...metadata.map((name) => ["f:metadata", `f:${name}`]));
}

const RESET_BY_STATUS: Readonly<Record<string, readonly string[]>> = {
  "apps/v1 Deployment": ["labels"],
  "v1 Pod": ["deletionTimestamp", "ownerReferences"],
};

const MAX_UPDATERS = 10;

/** Joins the oldest updaters into one a version, `ancient-changes`, while there are more than ten. */
export function capUpdaters(managers: FieldManagers): FieldManagers {
  const seconds = ({ time }: FieldManager): number => Date.parse(time ?? "") || 0;
  const updaters = [...managers]
    .filter(([, { operation }]) => operation === "Update")
    .toSorted(([a, mine], [b, other]) => seconds(mine) - seconds(other) || (a < b ? -1 : 1));
  const capped = new Map(managers);
  /** The oldest updater of each version, until a second one makes it a bucket. */
  const oldest = new Map<string, string>();
  let count = updaters.length;
  for (const [id, { apiVersion, fields, time }] of updaters) {
    if (count <= MAX_UPDATERS) break;
    const first = oldest.get(apiVersion);
    if (first === undefined) {
      oldest.set(apiVersion, id);
      continue;
    }
    const identity = { manager: "ancient-changes", operation: "Update", apiVersion, subresource: "" } as const;
    const bucket = managerId(identity);
    const before = capped.get(bucket) ?? capped.get(first);
    capped.delete(first);
    capped.delete(id);
    capped.set(bucket, { ...identity, time, fields: before?.fields.union(fields) ?? fields });
    count--;
  }
  return capped;
}

/** An object's `metadata.managedFields`. */
export function managedFieldsOf(object: JsonObject): unknown {
  const metadata = fieldOf(object, "metadata");
  return isRecord(metadata) ? fieldOf(metadata, "managedFields") : undefined;
}

/** An object with these `metadata.managedFields`, or without any. The given one is not changed. */
export function withManagedFields(object: JsonObject, entries: readonly JsonObject[] | undefined): JsonObject {
  const metadata = fieldOf(object, "metadata");
  const changed: JsonObject = isRecord(metadata) ? { ...metadata } : {};
  delete changed["managedFields"];
  if (entries !== undefined && entries.length > 0) setField(changed, "managedFields", entries);
  return isRecord(metadata) || entries !== undefined ? { ...object, metadata: changed } : object;
}

/**
 * The object with its managers. A write that changes nothing keeps their times, so that it makes no new version (the API server's
 * IgnoreManagedFieldsTimestampsTransformer).
 */
export function withManagers(before: JsonObject | undefined, after: JsonObject, managers: FieldManagers): JsonObject {
  const entries = writeManagers(managers);
  const old = before && managedFieldsOf(before);
  const withoutTimes = (list: readonly unknown[]): unknown =>
    list.map((entry) => (isRecord(entry) ? { ...entry, time: undefined } : entry));
  const isUnchanged =
    before !== undefined &&
    Array.isArray(old) &&
    isSame(withoutTimes(old), withoutTimes(entries)) &&
    isSame(withManagedFields(before, undefined), withManagedFields(after, undefined));
  return withManagedFields(after, isUnchanged ? (old as JsonObject[]) : entries);
}
