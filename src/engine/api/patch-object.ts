import { isRecord } from "../../core/is-record.ts";
import type { KubeObject } from "../../kube/types.ts";
import { setField } from "../store/json.ts";
import { ApiError, badRequest } from "./api-error.ts";

/** How a patch of each content type that is served is carried out, on an object that it may change. */
const PATCHES: Readonly<Record<string, (live: KubeObject, patch: unknown) => unknown>> = {
  "application/merge-patch+json": (live, patch) => {
    if (!isRecord(patch)) throw badRequest("a merge patch is an object");
    return mergePatch(live, patch);
  },
};

/**
 * An object with a patch carried out on it, by the patch's content type (kubernetes.io/docs/reference/using-api/api-concepts,
 * patch and apply). Throws ApiError: 415 for a type that is not served.
 */
export function patchObject(live: KubeObject, patch: unknown, contentType: string): unknown {
  const apply = Object.hasOwn(PATCHES, contentType) ? PATCHES[contentType] : undefined;
  if (apply !== undefined) return apply(live, patch);
  throw new ApiError(
    "UnsupportedMediaType",
    `the body of the request was in an unknown format (${contentType}) - accepted media types include: ${Object.keys(PATCHES).join(", ")}`,
  );
}

/** RFC 7386: members replace those of the target, null removes one, and what is no object replaces the whole. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const result: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else setField(result, name, mergePatch(Object.hasOwn(result, name) ? result[name] : undefined, value));
  }
  return result;
}
