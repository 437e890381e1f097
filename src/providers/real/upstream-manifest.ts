import { parseAllDocuments } from "yaml";
import { LabError } from "../../core/errors.ts";
import type { KubeObject } from "../../kube/types.ts";

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isKubeObject(value: unknown): value is KubeObject {
  return (
    isObject(value) &&
    typeof value["apiVersion"] === "string" &&
    typeof value["kind"] === "string" &&
    isObject(value["metadata"]) &&
    typeof value["metadata"]["name"] === "string"
  );
}

/**
 * The objects of an upstream manifest, in its order; a List stands for its items. Read as YAML 1.1, which is what kubectl
 * reads and so what their makers write for: `0644` is octal. Throws MANIFEST_UNREADABLE.
 */
export function readUpstreamManifest(text: string, name: string): KubeObject[] {
  const documents = parseAllDocuments(text, { version: "1.1" });
  const unreadable = (why: string): LabError =>
    new LabError("MANIFEST_UNREADABLE", `${name}: ${why}`, { hint: "its digest was right: please report it" });
  return documents.flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw unreadable(error.message);
    const value: unknown = document.toJS();
    if (value === null) return [];
    const items = isObject(value) && value["kind"] === "List" ? value["items"] : [value];
    if (!Array.isArray(items) || !items.every(isKubeObject))
      throw unreadable("a document is no Kubernetes object with a kind and a name");
    return items;
  });
}

/** Every image that pods of these objects run, each once, in order of appearance. */
export function imagesOf(objects: readonly KubeObject[]): string[] {
  const images = objects.flatMap(({ kind, spec }) => {
    const podSpec = kind === "Pod" ? spec : templateSpec(spec);
    if (!isObject(podSpec)) return [];
    return [podSpec["initContainers"], podSpec["containers"]]
      .flatMap((list) => (Array.isArray(list) ? (list as unknown[]) : []))
      .map((container) => (isObject(container) ? container["image"] : undefined))
      .filter((image) => typeof image === "string");
  });
  return [...new Set(images)];
}

/** The pod spec inside a workload's: of its template, or of a CronJob's. */
function templateSpec(spec: unknown): unknown {
  if (!isObject(spec)) return undefined;
  const jobSpec = isObject(spec["jobTemplate"]) ? spec["jobTemplate"]["spec"] : spec;
  return isObject(jobSpec) && isObject(jobSpec["template"]) ? jobSpec["template"]["spec"] : undefined;
}

/** Kinds that others are made in or are of, before all others. */
const FIRST_KINDS = ["Namespace", "CustomResourceDefinition"];

/** The order to apply them in: namespaces and custom types first, the rest as it was. */
export function inApplyOrder(objects: readonly KubeObject[]): KubeObject[] {
  const rank = ({ kind }: KubeObject): number => {
    const index = FIRST_KINDS.indexOf(kind);
    return index === -1 ? FIRST_KINDS.length : index;
  };
  return objects.toSorted((a, b) => rank(a) - rank(b));
}
