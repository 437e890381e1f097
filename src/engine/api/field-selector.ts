import { fieldOf } from "../../core/json-field.ts";
import { isRecord } from "../../core/is-record.ts";
import type { KubeObject } from "../../kube/types.ts";
import { badRequest } from "./api-error.ts";
import type { Resource } from "./resources.ts";

/** Whether an object's fields are selected. */
export type FieldMatch = (object: KubeObject) => boolean;

/** Fields that each kind can be selected by, beside its name and namespace (pkg/apis and pkg/registry, *FieldLabelConversion*). */
const SELECTABLE: Readonly<Record<string, readonly string[]>> = {
  Pod: [
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.podIPs",
    "status.nominatedNodeName",
  ],
  Event: [
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
  ],
  Node: ["spec.unschedulable"],
  Namespace: ["status.phase"],
  Secret: ["type"],
  Service: ["spec.clusterIP", "spec.type"],
  ReplicaSet: ["status.replicas"],
  ReplicationController: ["status.replicas"],
  Job: ["status.successful"],
};

/** Reads a `fieldSelector` of a query: `metadata.name=web,status.phase!=Running`. Throws ApiError. */
export function parseFieldSelector(text: string, { key, kind }: Resource): FieldMatch {
  if (text.trim() === "") return () => true;
  const matches = text.split(",").map((part): FieldMatch => {
    const found = /^\s*([^=!]+?)\s*(==|=|!=)\s*(.*?)\s*$/.exec(part);
    if (found === null)
      throw badRequest(`invalid selector: ${JSON.stringify(text)}; can't understand ${JSON.stringify(part)}`);
    const [, field = "", operator, wanted = ""] = found;
    const isKnown = field === "metadata.name" || field === "metadata.namespace" || selectable(key).includes(field);
    if (!isKnown) throw badRequest(`field label not supported: ${field} of ${kind}`);
    return (object) => (textAt(object, field) === wanted) === (operator !== "!=");
  });
  return (object) => matches.every((isMatch) => isMatch(object));
}

function selectable(key: string | undefined): readonly string[] {
  return key !== undefined && Object.hasOwn(SELECTABLE, key) ? (SELECTABLE[key] ?? []) : [];
}

/** A field as the API compares it: absent is the empty text, and of booleans "false". */
function textAt(object: KubeObject, path: string): string {
  let value: unknown = object;
  for (const step of path.split(".")) value = isRecord(value) ? fieldOf(value, step) : undefined;
  if (path === "status.podIPs" && Array.isArray(value)) {
    return value.map((each) => (isRecord(each) ? String(each["ip"]) : "")).join(",");
  }
  if (path === "source" && isRecord(value)) return typeof value["component"] === "string" ? value["component"] : "";
  if (value === undefined || value === null) return BOOLEANS.has(path) ? "false" : "";
  return typeof value === "object" ? "" : String(value as string | number | boolean);
}

const BOOLEANS: ReadonlySet<string> = new Set(["spec.unschedulable", "spec.hostNetwork"]);
