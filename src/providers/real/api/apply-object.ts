import { isDeepStrictEqual } from "node:util";
import type { KubeObject, ObjectMeta } from "../../../kube/types.ts";
import { isNotFound } from "./api-error.ts";
import type { ApiConnection } from "./connection.ts";
import { pathOf, type ApiResource } from "./resources.ts";

/** An object to be applied, and where. */
export interface Wanted {
  object: KubeObject;
  resource: ApiResource;
}

/** An object that was applied. */
export interface Applied {
  wanted: Wanted;
  action: "created" | "configured" | "unchanged";
  before: KubeObject | undefined;
  warnings: string[];
}

const FIELD_MANAGER = "cnilab";

const SERVER_FIELDS = new Set([
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "managedFields",
  "selfLink",
]);

/** Metadata that may be written: what only the server sets left out. */
export function withoutServerFields(metadata: ObjectMeta): ObjectMeta {
  return Object.fromEntries(
    Object.entries(metadata).filter(([field]) => !SERVER_FIELDS.has(field)),
  ) as unknown as ObjectMeta;
}

/** The object without what only the server sets, so that the output of `kubectl get -o yaml` can be applied. */
export function applicable(object: KubeObject, resource: ApiResource): KubeObject {
  const { status: _status, ...rest } = structuredClone(object);
  const { namespace, ...metadata } = withoutServerFields(rest.metadata);
  const place = resource.namespaced ? { namespace: namespace ?? "default" } : {};
  return { ...rest, apiVersion: rest.apiVersion, kind: rest.kind, metadata: { ...metadata, ...place } };
}

/** The object as it is now; undefined where it, or its namespace or kind, is not there. */
export async function readObject(
  connection: ApiConnection,
  { resource, object }: Wanted,
): Promise<KubeObject | undefined> {
  const { namespace, name } = object.metadata;
  try {
    const { body } = await connection.send({ method: "GET", path: pathOf(resource, namespace, name) });
    return body as KubeObject;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/**
 * Server-side apply (KEP-555) with strict field validation (KEP-2885): fields that a manifest no longer has go away,
 * those of other managers stay unless the manifest has them too.
 */
export async function patchApply(
  connection: ApiConnection,
  { resource, object }: Wanted,
  { dryRun = false, as = object }: { dryRun?: boolean; as?: KubeObject } = {},
): Promise<{ object: KubeObject; isNew: boolean; warnings: string[] }> {
  const { status, body, warnings } = await connection.send({
    method: "PATCH",
    path: pathOf(resource, as.metadata.namespace, as.metadata.name),
    query: {
      fieldManager: FIELD_MANAGER,
      force: "true",
      fieldValidation: "Strict",
      ...(dryRun ? { dryRun: "All" } : {}),
    },
    contentType: "application/apply-patch+yaml",
    body: as,
  });
  return { object: body as KubeObject, isNew: status === 201, warnings };
}

/** Applies one object and tells what became of it. */
export async function applyOne(
  connection: ApiConnection,
  wanted: Wanted,
  options: { dryRun: boolean },
): Promise<Applied> {
  const before = await readObject(connection, wanted);
  const { object, isNew, warnings } = await patchApply(connection, wanted, options);
  const action = isNew ? "created" : isSame(before, object) ? "unchanged" : "configured";
  return { wanted, action, before, warnings };
}

/** Apart from what controllers write meanwhile: a new resourceVersion alone is no change of ours. */
function isSame(before: KubeObject | undefined, after: KubeObject): boolean {
  if (before === undefined) return false;
  if (before.metadata.resourceVersion === after.metadata.resourceVersion) return true;
  return isDeepStrictEqual(substance(before), substance(after));
}

function substance(object: KubeObject): unknown {
  const { status: _status, ...rest } = object;
  return { ...rest, metadata: withoutServerFields(rest.metadata) };
}
