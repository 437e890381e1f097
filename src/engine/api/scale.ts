import { isRecord } from "../../core/is-record.ts";
import { fieldOf, setField } from "../../core/json-field.ts";
import { formatSelector } from "../../kube/selectors.ts";
import type { Deployment, KubeObject } from "../../kube/types.ts";
import { cloneJson } from "../store/json.ts";
import { badRequest } from "./api-error.ts";
import type { Resource, ScalePaths } from "./resources.ts";
import { invalid, type RequestTarget } from "./status-of-error.ts";

/** The scale subresource of a workload, or of a custom resource (autoscaling/v1 Scale). */
export function scaleOf(object: KubeObject, { scalePaths }: Resource): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  return cloneJson({
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    ...(scalePaths === undefined ? workloadScale(object as Deployment) : customScale(object, scalePaths)),
  } as KubeObject);
}

function workloadScale({ spec, status }: Deployment): object {
  return {
    spec: { replicas: spec.replicas ?? 1 },
    status: { replicas: status?.replicas ?? 0, selector: formatSelector(spec.selector) },
  };
}

/** What is not there is 0 (apiextensions-apiserver registry/customresource, scaleFromCustomResource). */
function customScale(object: KubeObject, { replicas, ready, selector }: ScalePaths): object {
  const count = (path: readonly string[]): number => Number(valueAt(object, path) ?? 0);
  const selected = selector.length === 0 ? undefined : valueAt(object, selector);
  return {
    spec: { replicas: count(replicas) },
    status: { replicas: count(ready), ...(typeof selected === "string" ? { selector: selected } : {}) },
  };
}

function valueAt(object: KubeObject, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, name) => (isRecord(value) ? fieldOf(value, name) : undefined), object);
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
  const draft = cloneJson(object);
  setAt(draft, target.resource.scalePaths?.replicas ?? ["spec", "replicas"], replicas);
  const version = isRecord(metadata) ? metadata["resourceVersion"] : undefined;
  if (typeof version === "string" && version !== "") draft.metadata.resourceVersion = version;
  else delete draft.metadata.resourceVersion;
  return draft;
}

function setAt(object: KubeObject, path: readonly string[], value: number): void {
  let place: Record<string, unknown> = object;
  for (const name of path.slice(0, -1)) {
    if (!isRecord(fieldOf(place, name))) setField(place, name, {});
    place = place[name] as Record<string, unknown>;
  }
  setField(place, path.at(-1) ?? "", value);
}
