import type { OpenApiSchema } from "../../kube/api-schemas.ts";
import { applyServerSide } from "../../kube/patch/server-side-apply.ts";
import { trackUpdate } from "../../kube/patch/track-update.ts";
import type { KubeObject } from "../../kube/types.ts";
import { fillDefaults } from "../admission/defaults.ts";
import { cloneJson } from "../store/json.ts";
import type { ObjectStore } from "../store/store.ts";
import { ApiError } from "./api-error.ts";
import type { Resource } from "./resources.ts";

/** A subresource by which an object is written; undefined for the object itself. */
export type WrittenBy = "status" | "scale" | undefined;

/** Who writes an object of a resource, and by which way. */
export interface FieldWriter {
  store: ObjectStore;
  resource: Resource;
  manager: string;
  subresource: WrittenBy;
  /** Now, RFC 3339 to the second. */
  time: string;
}

interface Requester {
  gvk: { group: string; version: string; kind: string };
  manager: string;
  subresource: WrittenBy;
  time: string;
  schema: OpenApiSchema | undefined;
}

function requester({ resource, manager, subresource, time }: FieldWriter): Requester {
  const { group, version, kind } = resource;
  return { gvk: { group, version, kind }, manager, subresource, time, schema: resource.schema };
}

/**
 * The object that is to be stored, with its managers, after a write that is no apply. Defaults are the writer's; what later rules of
 * admission fill in, such as a Service's address, is nobody's.
 */
export function withTrackedFields(before: KubeObject | undefined, after: KubeObject, writer: FieldWriter): KubeObject {
  const draft = cloneJson(after);
  fillDefaults(draft, {
    operation: before === undefined ? "create" : "update",
    key: writer.resource.key ?? "",
    store: writer.store,
  });
  // A status that a new object begins with is not its writer's: storage resets those fields (rest.ResetFieldsStrategy).
  if (before === undefined && after["status"] === undefined) delete draft["status"];
  return trackUpdate({ before, after: draft, ...requester(writer) }) as KubeObject;
}

/** The object that a server-side apply makes of the stored one. Throws ApiError (409) with what others own, and PatchError. */
export function withAppliedFields(
  live: KubeObject | undefined,
  applied: Record<string, unknown>,
  force: boolean,
  writer: FieldWriter,
): Record<string, unknown> {
  const result = applyServerSide({ live, applied, force, ...requester(writer) });
  if ("object" in result) return result.object;
  throw new ApiError("Conflict", result.message, { causes: result.conflicts });
}
