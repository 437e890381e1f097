import type * as z from "zod";
import type { YamlPath } from "../core/yaml-document.ts";

type Issue = z.core.$ZodIssue;

/** A path as people write it: `probes[2].tcp.port`. */
export function describePath(path: YamlPath): string {
  return path
    .map((step, index) =>
      typeof step === "number"
        ? `[${step}]`
        : `${index > 0 ? "." : ""}${/^[\w-]+$/.test(step) ? step : JSON.stringify(step.slice(0, 60))}`,
    )
    .join("");
}

/** A value in an error message. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return "empty";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a map";
  return typeof value === "string"
    ? JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
    : String(value as number);
}

/** The value at a path of plain data, undefined where there is none. */
export function valueAt(input: unknown, path: YamlPath): unknown {
  let value = input;
  for (const step of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  object: "a map",
  record: "a map",
  array: "a list",
};

/** A zod type's name in words. */
export function typeWord(expected: string): string {
  return TYPE_WORDS[expected] ?? expected;
}

/** How to mend a value of the wrong type, where that is plain. */
export function typeHint(expected: string, value: unknown): string | undefined {
  if (expected === "string" && (typeof value === "number" || typeof value === "boolean"))
    return `write it in quotes: "${value}"`;
  if ((expected === "number" || expected === "int") && typeof value === "string" && /^-?\d+(\.\d+)?$/.test(value))
    return "write it without quotes";
  if (expected === "array") return `begin each item with "- "`;
  return undefined;
}

/** One form that a union takes, in words. */
export function formOf(issue: Issue): string {
  if (issue.code === "invalid_type") return typeWord(issue.expected);
  if (issue.code === "invalid_value")
    return issue.values.length <= 6 ? `one of ${issue.values.join(", ")}` : "a known name";
  return "another value";
}

/** What a size limit says, in words. */
export function sizeWords(origin: string, bound: string, size: number | bigint): string {
  if (origin === "string")
    return size === 1 && bound === "at least" ? "cannot be empty" : `must have ${bound} ${size} characters`;
  if (origin === "array" || origin === "set") return `must have ${bound} ${size} ${size === 1 ? "item" : "items"}`;
  return `must be ${bound} ${size}`;
}

/** The number that was given, to end a sentence about it. */
export function figure(value: unknown): string {
  return typeof value === "number" ? `, not ${value}` : "";
}

/** A sentence of zod's made part of ours. */
export function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
