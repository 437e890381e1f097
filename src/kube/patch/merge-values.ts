import { fieldOf, setField } from "../../core/json-field.ts";
import { isRecord } from "../../core/is-record.ts";
import type { PathElement } from "./field-set.ts";
import { type JsonObject } from "./json-value.ts";
import { indexItems, itemElement, itemsOf } from "./list-items.ts";
import { type Atom, deduce, type ListAtom, type MapAtom, memberType } from "./schema.ts";

/**
 * What is live with what is applied put over it: no field goes, and where both have a leaf the applied one counts. Lists keep the live
 * order for items that only live has, and the applied order for the others. Undefined where neither has a value.
 */
export function mergeValues(atom: Atom, live: unknown, applied: unknown): unknown {
  const { map, scalar, list } = applied === undefined ? deduce(atom, live) : deduce(atom, applied);
  const leaf = applied === undefined ? live : applied;
  if (map !== undefined) {
    const isEmpty = isEmptyMap(live) && isEmptyMap(applied);
    return map.isAtomic || isEmpty ? leaf : mergeMembers(map, live, applied);
  }
  const isEmpty = itemsOf(live).length === 0 && itemsOf(applied).length === 0;
  if (scalar !== undefined || list === undefined || !list.isAssociative || isEmpty) return leaf;
  return mergeItems(list, itemsOf(live), itemsOf(applied));
}

function isEmptyMap(value: unknown): boolean {
  return !isRecord(value) || Object.keys(value).length === 0;
}

function mergeMembers(map: MapAtom, live: unknown, applied: unknown): JsonObject | undefined {
  const [mine, others] = [isRecord(live) ? live : {}, isRecord(applied) ? applied : {}];
  const merged: JsonObject = {};
  for (const name of new Set([...Object.keys(mine), ...Object.keys(others)])) {
    const value = mergeValues(memberType(map, name) ?? {}, fieldOf(mine, name), fieldOf(others, name));
    if (value !== undefined) setField(merged, name, value);
  }
  return Object.keys(merged).length > 0 ? merged : undefined;
}

function mergeItems(list: ListAtom, live: readonly unknown[], applied: readonly unknown[]): unknown[] | undefined {
  const type = list.element();
  const [liveIndex, appliedIndex] = [indexItems(list, live), indexItems(list, applied)];
  const liveElements = live.map((item) => itemElement(list, item));
  const appliedElements = applied.map((item) => itemElement(list, item));
  /** Items that both have, in the order applied: live's own items stay between those of them that are around them. */
  const shared = appliedElements.filter((element) => liveIndex.has(element));
  const merged: unknown[] = [];
  const done = new Set<PathElement>();
  const push = (value: unknown): void => {
    if (value !== undefined) merged.push(value);
  };
  const pushApplied = (element: PathElement): void => {
    const same = liveIndex.get(element) ?? [];
    // Items that stand several times in live are replaced, not merged.
    push(mergeValues(type, same.length > 1 ? null : same[0], appliedIndex.get(element)?.[0]));
    done.add(element);
    if (shared[0] === element) shared.shift();
  };
  let [l, a] = [0, 0];
  while (l < live.length || a < applied.length) {
    const mine = liveElements[l];
    const other = appliedElements[a];
    if (mine !== undefined && other !== undefined) {
      if (mine === other) {
        pushApplied(mine);
        l++;
        a++;
        continue;
      }
      if (appliedIndex.has(mine) && shared.length > 0 && shared[0] !== mine) {
        l++;
        continue;
      }
    }
    if (mine !== undefined) {
      if (!appliedIndex.has(mine)) {
        push(mergeValues(type, live[l], undefined));
        l++;
        continue;
      }
      if (done.has(mine)) l++;
    }
    if (other !== undefined) {
      pushApplied(other);
      a++;
    }
  }
  return merged.length > 0 ? merged : undefined;
}
