import { isRecord } from "../../core/is-record.ts";
import type { OpenApiSchema } from "../../kube/api-schemas.ts";
import type { KubeObject } from "../../kube/types.ts";
import { kindKey } from "../store/kinds.ts";
import { printerColumns } from "./printer-columns.ts";
import type { Resource, ScalePaths } from "./resources.ts";

/** What a definition serves, one a version, the preferred one first; nothing where it is too broken to say (apiextensions/v1). */
export function customResources(definition: KubeObject, verbs: readonly string[]): Resource[] {
  const spec = definition["spec"];
  if (!isRecord(spec) || !isRecord(spec["names"]) || !Array.isArray(spec["versions"])) return [];
  const { names, group } = spec;
  const { kind, plural, singular, shortNames, categories } = names as Record<string, unknown>;
  if (typeof kind !== "string" || typeof plural !== "string" || typeof group !== "string") return [];
  const resources = spec["versions"].filter(isRecord).flatMap((version): Resource[] => {
    if (version["served"] !== true || typeof version["name"] !== "string") return [];
    const { status, scale } = recordAt(version, "subresources");
    const scalePaths = isRecord(scale) ? scalePathsOf(scale) : undefined;
    const schema = recordAt(version, "schema")["openAPIV3Schema"];
    return [
      {
        group,
        version: version["name"],
        name: plural,
        singular: typeof singular === "string" ? singular : kind.toLowerCase(),
        kind,
        namespaced: spec["scope"] === "Namespaced",
        shortNames: texts(shortNames),
        categories: texts(categories),
        subresources: [...(isRecord(status) ? ["status" as const] : []), ...(scalePaths ? ["scale" as const] : [])],
        verbs,
        key: kindKey(`${group}/${version["name"]}`, kind),
        columns: () => printerColumns(version),
        ...(isRecord(schema) ? { schema: schema as OpenApiSchema } : {}),
        ...(scalePaths === undefined ? {} : { scalePaths }),
      },
    ];
  });
  return resources.toSorted((a, b) => compareVersions(a.version, b.version));
}

const recordAt = (object: Record<string, unknown>, key: string): Record<string, unknown> =>
  isRecord(object[key]) ? object[key] : {};

const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((each): each is string => typeof each === "string") : [];

/** `.spec.replicas` as its names; undefined where the paths are none. */
function scalePathsOf(scale: Record<string, unknown>): ScalePaths | undefined {
  const path = (key: string): string[] => {
    const text = scale[key];
    return typeof text === "string" && /^(?:\.\w+)+$/.test(text) ? text.slice(1).split(".") : [];
  };
  const [replicas, ready, selector] = [path("specReplicasPath"), path("statusReplicasPath"), path("labelSelectorPath")];
  return replicas.length === 0 || ready.length === 0 ? undefined : { replicas, ready, selector };
}

const STAGES = ["", "beta", "alpha"];

/** The order of versions: v10, v2, v1, v11beta2, v3beta1, v12alpha1, then others by their letters (apimachinery version.CompareKubeAwareVersionStrings). */
function compareVersions(left: string, right: string): number {
  const [a, b] = [left, right].map((text) => /^v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?$/.exec(text));
  if (!a || !b) return a ? -1 : b ? 1 : left.localeCompare(right);
  const stage = STAGES.indexOf(a[2] ?? "") - STAGES.indexOf(b[2] ?? "");
  return stage || Number(b[1]) - Number(a[1]) || Number(b[3] ?? 0) - Number(a[3] ?? 0);
}
