import { isRecord } from "../../core/is-record.ts";
import { fieldOf } from "../../core/json-field.ts";
import type { KubeObject } from "../../kube/types.ts";

export type Cell = string | number | boolean | undefined;

/** One column: its cell of an object. Wide ones are shown with `-o wide` alone. */
export interface ColumnSpec {
  name: string;
  /** Default "string". */
  type?: "string" | "integer";
  isWide?: boolean;
  cell: (object: KubeObject, nowMs: number) => Cell;
}

/** As kubectl writes lists in a cell: the first three, and how many more there are. */
export function firstThree(values: readonly string[], absent: string): string {
  if (values.length === 0) return absent;
  return values.length > 3 ? `${values.slice(0, 3).join(",")} + ${values.length - 3} more...` : values.join(",");
}

/** What stands at `spec.a.b`; undefined where something on the way is missing. */
export function valueAt(object: unknown, path: string): unknown {
  let value = object;
  for (const step of path.split(".")) value = isRecord(value) ? fieldOf(value, step) : undefined;
  return value;
}

/** A scalar as text; nothing of what is none. */
export function textOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}

/** A column of what stands at a path. */
export function textColumn(name: string, path: string, isWide = false, absent = "<none>"): ColumnSpec {
  return {
    name,
    isWide,
    cell: (object) => {
      const value = valueAt(object, path);
      return value === undefined || value === "" ? absent : textOf(value);
    },
  };
}

/** A column of a number at a path; 0 where there is none. */
export function countColumn(name: string, path: string): ColumnSpec {
  return { name, type: "integer", cell: (object) => Number(valueAt(object, path) ?? 0) };
}
