import { compareValues, type Comparison } from "./compare-values.ts";
import type { FieldSet } from "./field-set.ts";
import {
  capUpdaters,
  type FieldManager,
  type FieldManagers,
  identityOf,
  managerId,
  ownable,
  type Requester,
  resetFields,
} from "./managed-fields.ts";
import type { Atom } from "./schema.ts";
import { withZeroFields } from "./typed-value.ts";

/** Fields of others that a change touches, by the manager's id. */
export type Overlaps = ReadonlyMap<string, FieldSet>;

/** What a change did to fields, without those that its request cannot write. */
export function changeOf(
  type: Atom,
  before: unknown,
  after: unknown,
  requester: Requester,
  isCustom: boolean,
): Comparison {
  const inMemory = (value: unknown): unknown => (isCustom ? value : withZeroFields(type, value));
  const { removed, modified, added } = compareValues(type, inMemory(before), inMemory(after));
  const reset = resetFields(requester);
  const written = (set: FieldSet): FieldSet => set.recursiveDifference(reset);
  return { removed: written(removed), modified: written(modified), added: written(added) };
}

/** Which fields of others a change gave another value. */
export function overlapsOf(change: Comparison, managers: FieldManagers, self: string): Overlaps {
  const changed = change.modified.union(change.added);
  return new Map(
    [...managers]
      .filter(([id]) => id !== self)
      .map(([id, { fields }]): [string, FieldSet] => [id, fields.intersection(changed)])
      .filter(([, fields]) => !fields.isEmpty),
  );
}

/** The others without what a change took from them or removed; those who have nothing left are gone. */
export function withoutChanged(change: Comparison, managers: FieldManagers, self: string): Map<string, FieldManager> {
  const gone = change.modified.union(change.added).union(change.removed);
  return new Map(
    [...managers]
      .map(([id, manager]): [string, FieldManager] => [
        id,
        id === self ? manager : { ...manager, fields: manager.fields.difference(gone) },
      ])
      .filter(([, { fields }]) => !fields.isEmpty),
  );
}

/** Who owns what after an update, a patch or the object's creation; `before` is empty for the latter. */
export function managersAfterUpdate(
  type: Atom,
  before: unknown,
  after: unknown,
  managers: FieldManagers,
  { isCustom, time, ...requester }: Requester & { isCustom: boolean; time: string },
): FieldManagers {
  const change = changeOf(type, before, after, requester, isCustom);
  const identity = identityOf(requester, "Update");
  const id = managerId(identity);
  // The manager counts as an other too: what this change took from it is given back below, what it removed is not.
  const left = withoutChanged(change, managers, "");
  const taken = ownable(change.modified.union(change.added).recursiveDifference(resetFields(requester)));
  if (!taken.isEmpty) {
    const fields = left.get(id)?.fields.union(taken) ?? taken;
    // By way of its scale an object gets no time (ToParent of the API server's ScaleHandler).
    const since = identity.subresource === "scale" ? undefined : time;
    left.set(id, { ...identity, time: since, fields });
  }
  return capUpdaters(left);
}
