import { fieldOf } from "../../core/json-field.ts";
import { isRecord } from "../../core/is-record.ts";
import { keyElement, type PathElement, valueElement } from "./field-set.ts";
import type { ListAtom } from "./schema.ts";

/** An item of an associative list has no identity. */
export class NoIdentity extends Error {}

/**
 * Which item of an associative list this is: by its keys, with their defaults for those it lacks, or by its value. Throws
 * NoIdentity for an item without any key, or one of a wrong sort.
 */
export function itemElement(list: ListAtom, item: unknown): PathElement {
  if (list.keys.length > 0) return keyedElement(list, item);
  if (isRecord(item)) throw new NoIdentity("associative list without keys has an element that's a map type");
  if (Array.isArray(item)) throw new NoIdentity("not supported: associative list with lists as elements");
  if (item === null) throw new NoIdentity("associative list without keys has an element that's an explicit null");
  return valueElement(item);
}

function keyedElement(list: ListAtom, item: unknown): PathElement {
  if (item === null) throw new NoIdentity("associative list with keys may not have a null element");
  if (!isRecord(item)) throw new NoIdentity("associative list with keys may not have non-map elements");
  const fields = list.element().map?.fields;
  const keys = list.keys.flatMap((key): [string, unknown][] => {
    const value = fieldOf(item, key) ?? fields?.get(key)?.default;
    return value === undefined ? [] : [[key, value]];
  });
  if (keys.length > 0) return keyElement(Object.fromEntries(keys));
  const names = list.keys.map((key) => JSON.stringify(key)).join(" ");
  throw new NoIdentity(
    `associative list with keys has an element that omits all key fields [${names}] (and doesn't have default values for any key fields)`,
  );
}

/** The items of a list, or none of what is no list. */
export function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Items by identity, in the order of their first appearance; the same identity may stand several times in a stored list. */
export function indexItems(list: ListAtom, items: readonly unknown[]): Map<PathElement, unknown[]> {
  const index = new Map<PathElement, unknown[]>();
  for (const item of items) {
    const element = itemElement(list, item);
    const same = index.get(element);
    if (same === undefined) index.set(element, [item]);
    else same.push(item);
  }
  return index;
}
