import { fieldOf, setField } from "../../core/json-field.ts";
import { isRecord } from "../../core/is-record.ts";
import { fieldElement, FieldSet, formatElement, type PathElement } from "./field-set.ts";
import { goText, type JsonObject } from "./json-value.ts";
import { indexItems, itemElement, itemsOf, NoIdentity } from "./list-items.ts";
import { type Atom, deduce, type ListAtom, type MapAtom, memberType, type ScalarType } from "./schema.ts";

/** Something in a value that its type does not allow; `path` as in `.spec.replicas`. */
export interface TypeProblem {
  path: string;
  message: string;
}

/**
 * Checks a value against a type: unknown fields, wrong types, items of lists without identity, and unless `allowDuplicates` those that
 * stand twice.
 */
export function checkType(atom: Atom, value: unknown, allowDuplicates: boolean, path = ""): TypeProblem[] {
  const { map, scalar, list } = deduce(atom, value);
  if (value === null || value === undefined) return [];
  const wrong = (wanted: string): TypeProblem[] => [{ path, message: `expected ${wanted}, got &{${goText(value)}}` }];
  if (map !== undefined) {
    if (!isRecord(value)) return wrong("map");
    return Object.entries(value).flatMap(([name, item]) => {
      const type = memberType(map, name);
      const below = path + formatElement(fieldElement(name));
      return type === undefined
        ? [{ path: below, message: "field not declared in schema" }]
        : checkType(type, item, allowDuplicates, below);
    });
  }
  if (scalar !== undefined) return isScalarOf(scalar, value) ? [] : [{ path, message: wrongScalar(scalar, value) }];
  if (list === undefined || !Array.isArray(value)) return wrong("list");
  return checkItems(list, value, allowDuplicates, path);
}

function checkItems(list: ListAtom, items: readonly unknown[], allowDuplicates: boolean, path: string): TypeProblem[] {
  const seen = new Set<PathElement>();
  const problems: TypeProblem[] = [];
  for (const [index, item] of items.entries()) {
    let element: PathElement = `i:${index}`;
    if (list.isAssociative) {
      try {
        element = itemElement(list, item);
      } catch (error) {
        if (!(error instanceof NoIdentity)) throw error;
        return [...problems, { path, message: `element ${index}: ${error.message}` }];
      }
      if (seen.has(element) && !allowDuplicates)
        problems.push({ path, message: `duplicate entries for key ${formatElement(element)}` });
      seen.add(element);
    }
    problems.push(...checkType(list.element(), item, allowDuplicates, path + formatElement(element)));
  }
  return problems;
}

function isScalarOf(type: ScalarType, value: unknown): boolean {
  const sort = typeof value;
  if (type === "untyped") return sort !== "object";
  return sort === (type === "numeric" ? "number" : type);
}

/** The API server's words, with as much of Go as it lets through. */
function wrongScalar(type: ScalarType, value: unknown): string {
  switch (type) {
    case "string":
      return `expected string, got &value.valueUnstructured{Value:${goLiteral(value)}}`;
    case "numeric":
      return `expected numeric (int or float), got ${goType(value)}`;
    case "boolean":
      return `expected boolean, got &{${goText(value)}}`;
    case "untyped":
      return `expected any scalar, got &{${goText(value)}}`;
  }
}

function goLiteral(value: unknown): string {
  if (Array.isArray(value)) return `${goType(value)}{${value.map(goLiteral).join(", ")}}`;
  if (!isRecord(value)) return JSON.stringify(value);
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `${goType(value)}{${members.map(([name, item]) => `${JSON.stringify(name)}:${goLiteral(item)}`).join(", ")}}`;
}

function goType(value: unknown): string {
  if (Array.isArray(value)) return "[]interface {}";
  if (isRecord(value)) return "map[string]interface {}";
  return typeof value === "boolean" ? "bool" : typeof value;
}

/** All fields that a value has: leaves, items of maps and lists, and maps that are empty. */
export function fieldSetOf(atom: Atom, value: unknown): FieldSet {
  const set = new FieldSet();
  collect(atom, value, [], set);
  return set;
}

function collect(atom: Atom, value: unknown, path: readonly PathElement[], set: FieldSet): void {
  const { map, scalar, list } = deduce(atom, value);
  if (map !== undefined) {
    if (map.isAtomic) set.insert(path);
    else if (isRecord(value)) collectMembers(map, value, path, set);
  } else if (scalar !== undefined) {
    set.insert(path);
  } else if (list !== undefined) {
    if (!list.isAssociative) return set.insert(path);
    for (const [element, items] of indexItems(list, itemsOf(value))) {
      const below = [...path, element];
      if (items.length === 1) collect(list.element(), items[0], below, set);
      set.insert(below);
    }
  }
}

function collectMembers(map: MapAtom, value: JsonObject, path: readonly PathElement[], set: FieldSet): void {
  for (const [name, item] of Object.entries(value)) {
    const below = [...path, fieldElement(name)];
    collect(memberType(map, name) ?? {}, item, below, set);
    const isEmpty = item === null || (isRecord(item) && Object.keys(item).length === 0);
    if (isEmpty || !map.fields.has(name)) set.insert(below);
  }
}

/** A value without the fields of a set; what has nothing left is null. */
export function withoutFields(atom: Atom, value: unknown, fields: FieldSet): unknown {
  const { map, scalar, list } = deduce(atom, value);
  if (map !== undefined) {
    if (map.isAtomic || !isRecord(value)) return null;
    const kept: JsonObject = {};
    for (const [name, item] of Object.entries(value)) {
      const element = fieldElement(name);
      if (fields.has(element)) continue;
      const below = fields.below(element);
      setField(kept, name, below.isEmpty ? item : withoutFields(memberType(map, name) ?? {}, item, below));
    }
    return Object.keys(kept).length > 0 ? kept : null;
  }
  if (scalar !== undefined) return value;
  if (list === undefined || !list.isAssociative) return null;
  const kept = itemsOf(value).flatMap((item) => {
    const element = itemElement(list, item);
    if (fields.has(element)) return [];
    const below = fields.below(element);
    return [below.isEmpty ? item : withoutFields(list.element(), item, below)];
  });
  return kept.length > 0 ? kept : null;
}

/** A value as the API server has it in memory, where structures and required fields are never absent. */
export function withZeroFields(atom: Atom, value: unknown): unknown {
  const { map, list } = deduce(atom, value);
  if (map !== undefined && !map.isAtomic && isRecord(value)) {
    const filled: JsonObject = {};
    for (const [name, item] of Object.entries(value))
      setField(filled, name, withZeroFields(memberType(map, name) ?? {}, item));
    for (const [name, { zero, type }] of map.fields) {
      if (zero !== undefined && fieldOf(value, name) === undefined)
        setField(filled, name, withZeroFields(type(), zero));
    }
    return filled;
  }
  if (list?.isAssociative && Array.isArray(value)) {
    const element = list.element();
    return value.map((item) => withZeroFields(element, item));
  }
  return value;
}
