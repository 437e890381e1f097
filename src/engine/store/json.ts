import { fieldOf, setField } from "../../core/json-field.ts";
import { isRecord } from "../../core/is-record.ts";

/** A deep copy of plain data without its undefined fields; structuredClone costs six times as much on small objects. */
export function cloneJson<T>(value: T): T {
  return copy(value) as T;
}

function copy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copy);
  if (!isRecord(value)) return value;
  const result: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const field = value[key];
    if (field !== undefined) setField(result, key, copy(field));
  }
  return result;
}

/** Freezes plain data to its depth, so that readers of the store may share it. */
export function freezeJson<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const field of Object.values(value)) freezeJson(field);
  }
  return value;
}

/** Deep equality of plain data; the order of fields does not count, that of list items does, undefined is absent. */
export function equalJson(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((item, index) => equalJson(item, right[index]));
  }
  if (!isRecord(left) || !isRecord(right)) return false;
  for (const key of Object.keys(left)) if (!equalJson(left[key], fieldOf(right, key))) return false;
  for (const key of Object.keys(right)) if (right[key] !== undefined && fieldOf(left, key) === undefined) return false;
  return true;
}
