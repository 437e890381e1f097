import { fieldOf } from "../../core/json-field.ts";
import { isRecord } from "../../core/is-record.ts";
import type { Cell, ColumnSpec } from "./column.ts";
import { humanDuration } from "./human-duration.ts";

/** `.a.b`, with a dot in a name as `\.`; `['a']`; `[0]`; `[*]`; `[?(@.type=="Ready")]` */
const STEP =
  /\.((?:[^.[\]\\]|\\.)+)|\['([^']*)'\]|\[(\d+)\]|\[(\*)\]|\[\?\(@\.([^\s=)]+)\s*==\s*(?:"([^"]*)"|'([^']*)')\)\]/y;

type Step = (value: unknown) => unknown[];

/**
 * Columns that a version of a CustomResourceDefinition gives its objects (apiextensions/v1, additionalPrinterColumns); undefined where it
 * gives none. One whose path is more than steps and comparisons shows nothing.
 */
export function printerColumns(version: Record<string, unknown>): ColumnSpec[] | undefined {
  const columns = version["additionalPrinterColumns"];
  if (!Array.isArray(columns) || columns.length === 0) return undefined;
  return columns.filter(isRecord).flatMap(({ name, type, jsonPath, priority }): ColumnSpec[] => {
    if (typeof name !== "string" || typeof jsonPath !== "string") return [];
    const steps = stepsOf(jsonPath);
    return [
      {
        name,
        type: type === "integer" ? "integer" : "string",
        isWide: typeof priority === "number" && priority > 0,
        cell: (object, nowMs) => cellOf(first(object, steps), type, nowMs),
      },
    ];
  });
}

function cellOf(value: unknown, type: unknown, nowMs: number): Cell {
  if (type === "date")
    return typeof value === "string" && !Number.isNaN(Date.parse(value))
      ? humanDuration(nowMs - Date.parse(value))
      : "<unknown>";
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  return value === undefined || value === null ? undefined : JSON.stringify(value);
}

function first(object: unknown, steps: readonly Step[] | undefined): unknown {
  return steps?.reduce<unknown[]>((values, step) => values.flatMap(step), [object])[0];
}

/** Undefined for a path that is not made of {@link STEP}s alone. */
function stepsOf(path: string): Step[] | undefined {
  const steps: Step[] = [];
  // One of its own: a comparison has a path, too.
  const step = new RegExp(STEP);
  while (step.lastIndex < path.length) {
    const found = step.exec(path);
    if (found === null) return undefined;
    steps.push(stepOf(found));
  }
  return steps;
}

function stepOf([, plain, quoted, index, all, field, one, other]: RegExpExecArray): Step {
  if (index !== undefined) return (value) => itemsOf(value).slice(Number(index), Number(index) + 1);
  if (all !== undefined) return (value) => (isRecord(value) ? Object.values(value) : itemsOf(value));
  if (field !== undefined) {
    const within = stepsOf(`.${field}`);
    const wanted = one ?? other;
    return (value) => itemsOf(value).filter((item) => first(item, within) === wanted);
  }
  const name = quoted ?? (plain ?? "").replaceAll(/\\(.)/g, "$1");
  return (value) => {
    const child = isRecord(value) ? fieldOf(value, name) : undefined;
    return child === undefined ? [] : [child];
  };
}

function itemsOf(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}
