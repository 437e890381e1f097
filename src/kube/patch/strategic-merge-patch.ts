import { fieldOf, setField } from "../../core/json-field.ts";
import { isRecord } from "../../core/is-record.ts";
import { servedKind, type GroupVersionKind } from "../api-schemas.ts";
import { goText, isSame, type JsonObject } from "./json-value.ts";
import { PatchError } from "./patch-error.ts";
import { type Atom, type FieldAtom, type MapAtom, typeOfKind } from "./schema.ts";
import { deleteScalars, mergeLists, orderByElements, withoutDirectives } from "./strategic-lists.ts";

const DELETE_FROM_LIST = "$deleteFromPrimitiveList";
const ELEMENT_ORDER = "$setElementOrder";
const RETAIN_KEYS = "$retainKeys";
const DIRECTIVE = "$patch";

/**
 * A strategic merge patch (kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch; k8s.io/apimachinery,
 * util/strategicpatch): as a JSON merge patch, but lists with a merge key are merged item by item, and the directives `$patch`,
 * `$retainKeys`, `$deleteFromPrimitiveList` and `$setElementOrder` count. Neither argument is changed. Throws PatchError: 400 for a
 * malformed directive, 422 for lists of lists, 500, as the API server does, for other patches that do not fit the type.
 * Custom resources have no such patches: 415 is for the server to say.
 */
export function applyStrategicMergePatch(object: JsonObject, patch: unknown, gvk: GroupVersionKind): JsonObject {
  if (!isRecord(patch)) throw new PatchError(400, "invalid JSON document");
  if (servedKind(gvk) === undefined) throw new PatchError(400, "strategic merge patch format is not supported");
  return mergeMaps(structuredClone(object), structuredClone(patch), typeOfKind(gvk), "");
}

/** Changes and returns `original`; the patch is used up. */
export function mergeMaps(original: JsonObject, patch: JsonObject, type: Atom, path: string): JsonObject {
  if (Object.hasOwn(patch, DIRECTIVE)) return applyDirective(patch, path);
  retainKeys(original, patch, path);
  orderLists(original, patch, type, path);
  for (const [name, value] of Object.entries(patch)) {
    const isDeletion = name.startsWith(DELETE_FROM_LIST);
    const key = isDeletion ? keyAfter(name, DELETE_FROM_LIST, "invalid patch format of primitive list", path) : name;
    const at = `${path}.${key}`;
    const before = fieldOf(original, key);
    if (value === null) {
      delete original[key];
    } else if (before === undefined || sortOf(before) !== sortOf(value)) {
      if (!isDeletion) replaceMember(original, key, value);
    } else if (isRecord(before) && isRecord(value)) {
      const field = declaredField(type, key, path);
      const merged = strategyOf(field) === "replace" ? value : mergeMaps(before, value, field.type(), at);
      setField(original, key, merged);
    } else if (Array.isArray(before) && Array.isArray(value)) {
      const field = declaredField(type, key, path);
      setField(original, key, isDeletion ? deleteScalars(before, value) : mergeList(before, value, field, at));
    } else {
      setField(original, key, value);
    }
  }
  return original;
}

function mergeList(before: unknown[], patch: unknown[], field: FieldAtom, path: string): unknown[] {
  if (strategyOf(field) !== "merge") return patch;
  const item = field.type().list?.element() ?? {};
  return mergeLists(before, patch, field.patchMergeKey, path, (original, change) =>
    mergeMaps(original, change, item, `${path}[]`),
  );
}

function applyDirective(patch: JsonObject, path: string): JsonObject {
  const { [DIRECTIVE]: directive, ...others } = patch;
  if (directive === "replace") return others;
  if (directive === "delete") return {};
  throw new PatchError(500, `unknown patch type: ${String(directive)} in map: ${goText(patch)}`, path);
}

/** A value that meets none of its sort is taken over whole, without nulls and directives. */
function replaceMember(original: JsonObject, key: string, value: unknown): void {
  const kept = withoutDirectives(value);
  if (kept === undefined) delete original[key];
  else setField(original, key, kept);
}

function sortOf(value: unknown): string {
  return Array.isArray(value) ? "list" : value === null ? "null" : typeof value;
}

/** A field's strategy beside retainKeys, which the directive of that name carries out. */
function strategyOf({ patchStrategies }: FieldAtom): string | undefined {
  return patchStrategies.find((strategy) => strategy !== "retainKeys");
}

function declaredField({ map }: Atom, name: string, path: string): FieldAtom {
  const field = map?.fields.get(name);
  if (field !== undefined) return field;
  const message = isStructure(map)
    ? `unable to find api field in struct ${map.name} for the json field ${JSON.stringify(name)}`
    : "merging an object in json but data type is not struct, instead is: map";
  throw new PatchError(500, message, `${path}.${name}`);
}

function isStructure(map: MapAtom | undefined): map is MapAtom {
  return map !== undefined && map.fields.size > 0;
}

/** The field's name in `$directive/name`. */
function keyAfter(name: string, directive: string, message: string, path: string): string {
  if (!name.startsWith(`${directive}/`)) throw new PatchError(400, message, `${path}.${name}`);
  return name.slice(directive.length + 1);
}

/** Clears what `$retainKeys` does not name; the patch may set nothing else. */
function retainKeys(original: JsonObject, patch: JsonObject, path: string): void {
  const kept = fieldOf(patch, RETAIN_KEYS);
  if (kept === undefined) return;
  delete patch[RETAIN_KEYS];
  const isDirective = (name: string): boolean => name.startsWith(DELETE_FROM_LIST) || name.startsWith(ELEMENT_ORDER);
  const isNamed = (name: string): boolean => Array.isArray(kept) && kept.includes(name);
  const isWrong = Object.entries(patch).some(([name, value]) => value !== null && !isDirective(name) && !isNamed(name));
  if (!Array.isArray(kept) || isWrong)
    throw new PatchError(400, "invalid patch format of retainKeys", `${path}.${RETAIN_KEYS}`);
  for (const name of Object.keys(original)) if (!isNamed(name)) delete original[name];
}

/** Merges the lists that `$setElementOrder` names, and puts their items into its order. */
function orderLists(original: JsonObject, patch: JsonObject, type: Atom, path: string): void {
  const message = "invalid patch format of setElementOrder list";
  for (const [directive, order] of Object.entries(patch)) {
    if (!directive.startsWith(ELEMENT_ORDER)) continue;
    delete patch[directive];
    const at = `${path}.${directive}`;
    if (!Array.isArray(order)) throw new PatchError(500, "expected a list of elements' order", at);
    const key = keyAfter(directive, ELEMENT_ORDER, message, path);
    const [before, change] = [fieldOf(original, key), fieldOf(patch, key)];
    const lists = [before, change].filter((list) => list !== undefined);
    if (!lists.every((list) => Array.isArray(list))) throw new PatchError(500, "expected a list", `${path}.${key}`);
    const field = declaredField(type, key, path);
    checkOrder((change ?? []) as unknown[], order, field.patchMergeKey, at);
    if (lists.length === 0) continue;
    const [mine, others] = [before as unknown[] | undefined, change as unknown[] | undefined];
    const merged =
      others === undefined
        ? (mine ?? [])
        : mine === undefined
          ? (withoutDirectives(others) as unknown[])
          : mergeList(structuredClone(mine), others, field, `${path}.${key}`);
    setField(original, key, orderByElements(merged, order, mine ?? [], field.patchMergeKey, `${path}.${key}`));
    delete patch[key];
  }
}

/** The patch's items must be among those of the order, and in it. */
function checkOrder(items: readonly unknown[], order: readonly unknown[], key: string | undefined, path: string): void {
  if (items.length === 0 || order.length === 0) return;
  const identity = (item: unknown): unknown =>
    key === undefined ? item : isRecord(item) ? fieldOf(item, key) : undefined;
  const left = items.filter((item) => !(isRecord(item) && Object.hasOwn(item, DIRECTIVE)));
  for (const element of order) if (left.length > 0 && isSame(identity(left[0]), identity(element))) left.shift();
  if (left.length > 0) {
    const [patch, wanted] = [goText(items), goText(order)];
    throw new PatchError(
      500,
      `The order in patch list:\n${patch}\n doesn't match ${ELEMENT_ORDER} list:\n${wanted}\n`,
      path,
    );
  }
}
