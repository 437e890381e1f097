import { formatDurationMs } from "../core/duration.ts";
import type { Expectation } from "../grade/types.ts";

/** An expectation as a person would write it: `blocked`, or `status: 200, backends: {even: true}`. */
export function expectationText(expectation: Expectation): string {
  return typeof expectation === "string" ? expectation : fields(expectation);
}

function fields(record: Record<string, unknown>): string {
  return Object.entries(record)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${isDuration(name, value) ? formatDurationMs(value) : text(value)}`)
    .join(", ");
}

/** Figures are in base units, and a person reads this one as it is written. */
function isDuration(name: string, value: unknown): value is number {
  return name === "enforcedWithin" && typeof value === "number";
}

function text(value: unknown): string {
  if (Array.isArray(value)) return value.length === 1 ? text(value[0]) : `[${value.map(text).join(", ")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  // A bound keeps how it was written.
  if ("operator" in value && "text" in value) return String(value.text);
  return `{${fields(Object.fromEntries(Object.entries(value)))}}`;
}
