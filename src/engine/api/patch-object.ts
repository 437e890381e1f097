import { splitApiVersion } from "../../kube/group-version.ts";
import { servedKind } from "../../kube/api-schemas.ts";
import { applyJsonPatch } from "../../kube/patch/json-patch.ts";
import { applyMergePatch } from "../../kube/patch/merge-patch.ts";
import { PatchError } from "../../kube/patch/patch-error.ts";
import { applyStrategicMergePatch } from "../../kube/patch/strategic-merge-patch.ts";
import type { KubeObject } from "../../kube/types.ts";
import { ApiError, type StatusReason } from "./api-error.ts";

const JSON_PATCH = "application/json-patch+json";
const MERGE_PATCH = "application/merge-patch+json";
const STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json";
/** Server-side apply. */
export const APPLY_PATCH = "application/apply-patch+yaml";

const REASONS: Readonly<Record<PatchError["status"], StatusReason>> = {
  400: "BadRequest",
  413: "RequestEntityTooLarge",
  422: "Invalid",
  500: "InternalError",
};

/**
 * A new object: `live` with a patch carried out on it, by the patch's content type (kubernetes.io/docs/reference/using-api/api-concepts,
 * patch and apply). Throws ApiError: 415 for a type that is not served, of custom resources also for a strategic merge.
 */
export function patchObject(live: KubeObject, patch: unknown, contentType: string): unknown {
  const [group, version] = splitApiVersion(live.apiVersion);
  const gvk = { group, version, kind: live.kind };
  const served = [JSON_PATCH, MERGE_PATCH, ...(servedKind(gvk) === undefined ? [] : [STRATEGIC_MERGE_PATCH])];
  if (!served.includes(contentType)) {
    throw new ApiError(
      "UnsupportedMediaType",
      `the body of the request was in an unknown format (${contentType}) - accepted media types include: ${[...served, APPLY_PATCH].join(", ")}`,
    );
  }
  return patched(() => {
    if (contentType === JSON_PATCH) return applyJsonPatch(live, patch);
    if (contentType === MERGE_PATCH) return applyMergePatch(live, patch);
    return applyStrategicMergePatch(live, patch, gvk);
  });
}

/** What a patch makes; throws as ApiError what the patch's function throws as PatchError. */
export function patched<T>(patch: () => T): T {
  try {
    return patch();
  } catch (error) {
    if (error instanceof PatchError) throw new ApiError(REASONS[error.status], error.message);
    throw error;
  }
}
