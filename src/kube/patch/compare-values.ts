import { fieldOf } from "../../core/json-field.ts";
import { isRecord } from "../../core/is-record.ts";
import { fieldElement, FieldSet, type PathElement } from "./field-set.ts";
import { isSame } from "./json-value.ts";
import { indexItems, itemsOf } from "./list-items.ts";
import { type Atom, deduce, type ListAtom, type MapAtom, memberType } from "./schema.ts";

/** Fields in which two values differ; none is in two of the sets. */
export interface Comparison {
  removed: FieldSet;
  modified: FieldSet;
  added: FieldSet;
}

/** Compares two values of one type, field by field. */
export function compareValues(atom: Atom, before: unknown, after: unknown): Comparison {
  const comparison = { removed: new FieldSet(), modified: new FieldSet(), added: new FieldSet() };
  compare(atom, before, after, [], comparison);
  return comparison;
}

type Path = readonly PathElement[];

function compare(atom: Atom, left: unknown, right: unknown, path: Path, to: Comparison): void {
  const [ofLeft, ofRight] = [deduce(atom, left), deduce(atom, right)];
  // A value that changed its sort is compared as both: as what goes, then as what comes.
  if (left !== undefined && right !== undefined && !isSameSort(ofLeft, ofRight))
    compareAs(ofLeft, left, right, path, to);
  const isLeaf = compareAs(right === undefined ? ofLeft : ofRight, left, right, path, to);
  if (isLeaf) return;
  if (left === undefined) to.added.insert(path);
  else if (right === undefined) to.removed.insert(path);
}

function isSameSort(left: Atom, right: Atom): boolean {
  return (["map", "scalar", "list"] as const).every(
    (sort) => (left[sort] === undefined) === (right[sort] === undefined),
  );
}

/** Whether it was compared as one value. */
function compareAs({ map, scalar, list }: Atom, left: unknown, right: unknown, path: Path, to: Comparison): boolean {
  if (map !== undefined) {
    if (map.isAtomic || (isEmptyMap(left) && isEmptyMap(right))) return compareLeaf(left, right, path, to);
    compareMembers(map, left, right, path, to);
    return false;
  }
  const isEmpty = itemsOf(left).length === 0 && itemsOf(right).length === 0;
  if (scalar !== undefined || list === undefined || !list.isAssociative || isEmpty)
    return compareLeaf(left, right, path, to);
  compareItems(list, itemsOf(left), itemsOf(right), path, to);
  return false;
}

function isEmptyMap(value: unknown): boolean {
  return !isRecord(value) || Object.keys(value).length === 0;
}

function compareLeaf(left: unknown, right: unknown, path: Path, to: Comparison): true {
  if (left === undefined) to.added.insert(path);
  else if (right === undefined) to.removed.insert(path);
  else if (!isSame(left, right)) to.modified.insert(path);
  return true;
}

function compareMembers(map: MapAtom, left: unknown, right: unknown, path: Path, to: Comparison): void {
  const [before, after] = [isRecord(left) ? left : {}, isRecord(right) ? right : {}];
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const type = memberType(map, name) ?? {};
    compare(type, fieldOf(before, name), fieldOf(after, name), [...path, fieldElement(name)], to);
  }
}

function compareItems(
  list: ListAtom,
  left: readonly unknown[],
  right: readonly unknown[],
  path: Path,
  to: Comparison,
): void {
  const [before, after] = [indexItems(list, left), indexItems(list, right)];
  const type = list.element();
  for (const element of new Set([...before.keys(), ...after.keys()])) {
    const [mine, others] = [before.get(element) ?? [], after.get(element) ?? []];
    const below = [...path, element];
    if (mine.length <= 1 && others.length <= 1) {
      compare(type, mine[0], others[0], below, to);
    } else if (mine.length > 1 && others.length > 1) {
      // Items that stand several times are one value.
      if (!isSame(mine, others)) to.modified.insert(below);
    } else if (mine.length > 1) {
      if (others.length > 0) compare(type, undefined, others[0], below, to);
      to.removed.insert(below);
    } else {
      if (mine.length > 0) compare(type, mine[0], undefined, below, to);
      to.added.insert(below);
    }
  }
}
