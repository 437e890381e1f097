import { isRecord } from "../core/is-record.ts";
import type { YamlPath } from "../core/yaml-document.ts";
import type { KubeObject } from "../kube/types.ts";

/** A copy of the object with this value at the path; whatever the path leads through must be there. */
export function withValue(object: KubeObject, path: YamlPath, value: unknown): KubeObject {
  return edited(object, path, (parent, key) => {
    (parent as Record<string | number, unknown>)[key] = structuredClone(value);
  });
}

/** A copy of the object without what stands at the path: a field, or an item of a list. */
export function without(object: KubeObject, path: YamlPath): KubeObject {
  return edited(object, path, (parent, key) => {
    if (Array.isArray(parent)) parent.splice(Number(key), 1);
    else delete (parent as Record<string | number, unknown>)[key];
  });
}

function edited(object: KubeObject, path: YamlPath, act: (parent: object, key: string | number) => void): KubeObject {
  const copy = structuredClone(object);
  let parent: unknown = copy;
  for (const key of path.slice(0, -1)) parent = (parent as Record<string | number, unknown>)[key];
  const last = path.at(-1);
  if (last !== undefined && typeof parent === "object" && parent !== null) act(parent, last);
  return copy;
}

/**
 * Paths at which two objects differ, each as deep as it can be told: lists of different lengths differ as a whole. A path
 * may be missing in either.
 */
export function differingPaths(before: unknown, now: unknown, path: YamlPath = []): YamlPath[] {
  if (isRecord(before) && isRecord(now)) {
    const keys = new Set([...Object.keys(now), ...Object.keys(before)]);
    return [...keys].flatMap((key) => differingPaths(before[key], now[key], [...path, key]));
  }
  if (Array.isArray(before) && Array.isArray(now) && before.length === now.length) {
    return before.flatMap((item, index) => differingPaths(item, now[index], [...path, index]));
  }
  return sameJson(before, now) ? [] : [path];
}

/** What stands at the path; undefined where it leads nowhere. */
export function valueAt(object: unknown, path: YamlPath): unknown {
  let value = object;
  for (const key of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<string | number, unknown>)[key];
  }
  return value;
}

/** Equal whatever the order of fields. */
export function sameJson(one: unknown, other: unknown): boolean {
  return orderedJson(one) === orderedJson(other);
}

/** Equal texts for equal values. */
export function orderedJson(value: unknown): string {
  return (
    JSON.stringify(value, (_key, each: unknown) =>
      isRecord(each) ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1))) : each,
    ) ?? ""
  );
}
