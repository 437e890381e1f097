import { fieldOf, setField } from "../../core/json-field.ts";
import { isRecord } from "../../core/is-record.ts";
import { goText, isSame, type JsonObject } from "./json-value.ts";
import { PatchError } from "./patch-error.ts";

/*
 * Lists of strategic merge patches. The order of what comes out: items of the patch as the patch has them, items of the live list alone as
 * that has them, and between the two by the live order as far as it knows both.
 */

const DIRECTIVE = "$patch";

/** Merges a list with strategy `merge`: scalars as a set, maps by their merge key. */
export function mergeLists(
  original: readonly unknown[],
  patch: readonly unknown[],
  mergeKey: string | undefined,
  path: string,
  mergeItem: (original: JsonObject, patch: JsonObject) => JsonObject,
): unknown[] {
  const all = [...original, ...patch];
  if (all.length === 0) return [];
  if (all.some((item) => Array.isArray(item))) throw new PatchError(422, "lists of lists are not supported", path);
  if (!all.every((item) => isRecord(item))) {
    if (new Set(all.map((item) => typeof item)).size > 1)
      throw new PatchError(500, "list element types are not identical", path);
    return orderByElements([...new Set(all)], patch, original, undefined, path);
  }
  if (mergeKey === undefined) throw new PatchError(500, "cannot merge lists without merge key", path);
  const live = applyItemDirectives(original as JsonObject[], patch as JsonObject[], mergeKey, path);
  const changes = live.isReplaced ? [] : (patch as JsonObject[]).filter((item) => !Object.hasOwn(item, DIRECTIVE));
  const merged = [...live.items];
  for (const change of changes) {
    const key = keyOf(change, mergeKey, path);
    const at = merged.findIndex((item) => isSame(fieldOf(item, mergeKey), key));
    if (at === -1) merged.push(change);
    else merged[at] = mergeItem(merged[at] as JsonObject, change);
  }
  return orderByElements(merged, changes, live.items, mergeKey, path);
}

/** The live items without those that the patch deletes; or where it replaces the list, its own. */
function applyItemDirectives(
  original: readonly JsonObject[],
  patch: readonly JsonObject[],
  mergeKey: string,
  path: string,
): { items: JsonObject[]; isReplaced: boolean } {
  let items = [...original];
  let isReplaced = false;
  for (const item of patch) {
    if (!Object.hasOwn(item, DIRECTIVE)) continue;
    switch (item[DIRECTIVE]) {
      case "delete": {
        const key = keyOf(item, mergeKey, path);
        items = items.filter((live) => !isSame(fieldOf(live, mergeKey), key));
        break;
      }
      case "replace":
        isReplaced = true;
        break;
      case "merge":
        throw new PatchError(500, "merging lists cannot yet be specified in the patch", path);
      default:
        throw new PatchError(500, `unknown patch type: ${String(item[DIRECTIVE])} in map: ${goText(item)}`, path);
    }
  }
  if (isReplaced) items = patch.filter((item) => !Object.hasOwn(item, DIRECTIVE));
  return { items, isReplaced };
}

function keyOf(item: JsonObject, mergeKey: string, path: string): unknown {
  const key = fieldOf(item, mergeKey);
  if (key !== undefined) return key;
  throw new PatchError(500, `map: ${goText(item)} does not contain declared merge key: ${mergeKey}`, path);
}

/** Puts items into an order: those that `order` has as it has them, the others by the live list. */
export function orderByElements(
  items: readonly unknown[],
  order: readonly unknown[],
  live: readonly unknown[],
  mergeKey: string | undefined,
  path: string,
): unknown[] {
  const identity = (item: unknown): unknown => {
    if (mergeKey === undefined) return item;
    if (isRecord(item)) return keyOf(item, mergeKey, path);
    throw new PatchError(500, "expected a map", path);
  };
  const placeIn = (list: readonly unknown[]): ((item: unknown) => number) => {
    const identities = list.map(identity);
    return (item) => identities.indexOf(identity(item));
  };
  const [placeInOrder, placeInLive] = [placeIn(order), placeIn(live)];
  const ordered = items.filter((item) => placeInOrder(item) >= 0).toSorted((a, b) => placeInOrder(a) - placeInOrder(b));
  const others = items.filter((item) => placeInOrder(item) < 0).toSorted((a, b) => placeInLive(a) - placeInLive(b));
  const merged: unknown[] = [];
  while (ordered.length > 0 && others.length > 0) {
    const [mine, other] = [placeInLive(ordered[0]), placeInLive(others[0])];
    const isOtherFirst = other >= 0 && mine >= 0 && other < mine;
    merged.push(isOtherFirst ? others.shift() : ordered.shift());
  }
  return [...merged, ...others, ...ordered];
}

/** What `$deleteFromPrimitiveList` leaves of a list. */
export function deleteScalars(list: readonly unknown[], gone: readonly unknown[]): unknown[] {
  return list.filter((item) => !gone.includes(item));
}

/** A part of a patch as a value of its own: without nulls in maps, and without what stands with a directive; undefined for such. */
export function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDirectives).filter((item) => item !== undefined);
  if (!isRecord(value)) return value;
  if (Object.hasOwn(value, DIRECTIVE)) return undefined;
  const kept: JsonObject = {};
  for (const [name, item] of Object.entries(value)) {
    const below = item === null ? undefined : withoutDirectives(item);
    if (below !== undefined) setField(kept, name, below);
  }
  return kept;
}
