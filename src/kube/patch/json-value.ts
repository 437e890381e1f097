import { isDeepStrictEqual } from "node:util";
import { isRecord } from "../../core/is-record.ts";

/** An object of JSON. */
export type JsonObject = Record<string, unknown>;

/** Whether two values of JSON are the same; the order of members does not count. */
export function isSame(left: unknown, right: unknown): boolean {
  return isDeepStrictEqual(left, right);
}

const HTML: Readonly<Record<string, string>> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029",
};

/** JSON as Go's encoder writes it: members in order of their names, characters of HTML escaped. */
export function goJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    isRecord(item) ? Object.fromEntries(Object.entries(item).toSorted(([a], [b]) => (a < b ? -1 : 1))) : item,
  ).replaceAll(/[<>&\u2028\u2029]/g, (character) => HTML[character] ?? character);
}

/** A value as Go prints it in the API's messages: `map[image:nginx]`. */
export function goText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(goText).join(" ")}]`;
  if (!isRecord(value)) return value === null ? "<nil>" : String(value);
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `map[${members.map(([name, item]) => `${name}:${goText(item)}`).join(" ")}]`;
}
