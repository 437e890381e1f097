import { isRecord } from "../../core/is-record.ts";
import type { YamlPath } from "../../core/yaml-document.ts";

/** A field that was found, and where. */
export interface FoundField {
  path: YamlPath;
  value: unknown;
}

/** The fields at a pattern such as `spec.http[].match[].headers{}.regex`: `[]` is every item of a list, `{}` every value of a map. */
export function fieldsAt(object: unknown, pattern: string): FoundField[] {
  const steps = pattern.split(".").flatMap((part) => part.split(/(?=\[\]|\{\})/));
  return steps.reduce<FoundField[]>(
    (found, step) => found.flatMap((each) => inside(each, step)),
    [{ path: [], value: object }],
  );
}

function inside({ path, value }: FoundField, step: string): FoundField[] {
  if (step === "[]")
    return Array.isArray(value) ? value.map((item: unknown, index) => ({ path: [...path, index], value: item })) : [];
  if (!isRecord(value)) return [];
  if (step === "{}") return Object.entries(value).map(([key, item]) => ({ path: [...path, key], value: item }));
  return value[step] === undefined ? [] : [{ path: [...path, step], value: value[step] }];
}
