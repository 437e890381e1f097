import { fieldOf, setField } from "../../core/json-field.ts";
import { isRecord } from "../../core/is-record.ts";
import { equalJson } from "./json.ts";

/**
 * How lists of an object are merged, by their path: the fields that tell items apart, as the API's patchMergeKey
 * and listMapKeys say. A list not named here is replaced whole.
 */
export type ListKeys = (path: readonly string[]) => readonly string[] | undefined;

/** Keyed lists of a pod's spec and of a Service's; everything else is replaced whole, as for custom resources. */
export function listKeysOf(key: string): ListKeys {
  if (key === "Service") return (path) => (path.join(".") === "spec.ports" ? ["port", "protocol"] : undefined);
  if (!workloads.has(key)) return () => undefined;
  return (path) => podLists[path.at(-1) ?? ""];
}

const workloads = new Set(["Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job"]);

const podLists: Readonly<Record<string, readonly string[]>> = {
  containers: ["name"],
  initContainers: ["name"],
  env: ["name"],
  ports: ["containerPort", "protocol"],
  volumes: ["name"],
  volumeMounts: ["mountPath"],
  imagePullSecrets: ["name"],
  hostAliases: ["ip"],
};

/**
 * The three-way merge of `kubectl apply`: fields of `applied` win, fields of `last` that `applied` no longer has go,
 * and what others set (defaults, replicas of a scale, allocated addresses) stays.
 * kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config
 */
export function mergeApplied(
  last: unknown,
  live: unknown,
  applied: unknown,
  keys: ListKeys,
  path: readonly string[] = [],
): unknown {
  if (Array.isArray(applied) && Array.isArray(live)) return mergeList(last, live, applied, keys, path);
  if (!isRecord(applied) || !isRecord(live)) return applied;
  const before = isRecord(last) ? last : {};
  const result: Record<string, unknown> = { ...live };
  for (const field of Object.keys(before)) if (!Object.hasOwn(applied, field)) delete result[field];
  for (const [field, value] of Object.entries(applied)) {
    // An explicit null removes the field, as in every patch of the API.
    if (value === null) delete result[field];
    else if (Object.hasOwn(live, field))
      setField(result, field, mergeApplied(fieldOf(before, field), live[field], value, keys, [...path, field]));
    else setField(result, field, value);
  }
  return result;
}

function mergeList(
  last: unknown,
  live: unknown[],
  applied: unknown[],
  keys: ListKeys,
  path: readonly string[],
): unknown[] {
  const fields = keys(path);
  if (fields === undefined) return applied;
  const same = (left: unknown, right: unknown): boolean =>
    isRecord(left) &&
    isRecord(right) &&
    fields.every((field) => equalJson(valueOf(left, field), valueOf(right, field)));
  const before: unknown[] = Array.isArray(last) ? last : [];
  const merged = applied.map((item) => {
    const present = live.find((other) => same(item, other));
    if (present === undefined) return item;
    return mergeApplied(
      before.find((other) => same(item, other)),
      present,
      item,
      keys,
      path,
    );
  });
  const kept = live.filter((item) => ![...applied, ...before].some((other) => same(item, other)));
  return [...merged, ...kept];
}

/** A key's value, the protocol's default filled in: an item without it is the TCP one. */
function valueOf(item: Record<string, unknown>, field: string): unknown {
  return item[field] ?? (field === "protocol" ? "TCP" : undefined);
}
