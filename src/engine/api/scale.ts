import { isRecord } from "../../core/is-record.ts";
import { formatSelector } from "../../kube/selectors.ts";
import type { Deployment, KubeObject } from "../../kube/types.ts";
import { cloneJson } from "../store/json.ts";
import { badRequest } from "./api-error.ts";
import { invalid, type RequestTarget } from "./status-of-error.ts";

/** The scale subresource of a workload (autoscaling/v1 Scale). */
export function scaleOf(object: KubeObject): KubeObject {
  const { spec, status } = object as Deployment;
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  return cloneJson({
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: spec.replicas ?? 1 },
    status: { replicas: status?.replicas ?? 0, selector: formatSelector(spec.selector) },
  } as KubeObject);
}

/** The workload with the replicas that a Scale asks for, and its resourceVersion as the precondition. Throws ApiError. */
export function withScale(object: KubeObject, scale: unknown, target: RequestTarget): KubeObject {
  if (!isRecord(scale) || scale["kind"] !== "Scale" || scale["apiVersion"] !== "autoscaling/v1")
    throw badRequest("the object provided is no Scale of autoscaling/v1");
  const { metadata, spec = {} } = scale;
  const replicas = isRecord(spec) ? (spec["replicas"] ?? 0) : undefined;
  if (typeof replicas !== "number" || !Number.isInteger(replicas)) throw badRequest("spec.replicas must be an integer");
  if (replicas < 0) {
    const message = `Invalid value: ${replicas}: must be greater than or equal to 0`;
    throw invalid(target, [{ reason: "FieldValueInvalid", message, field: "spec.replicas" }]);
  }
  const draft = cloneJson(object) as Deployment;
  draft.spec.replicas = replicas;
  const version = isRecord(metadata) ? metadata["resourceVersion"] : undefined;
  if (typeof version === "string" && version !== "") draft.metadata.resourceVersion = version;
  else delete draft.metadata.resourceVersion;
  return draft;
}
