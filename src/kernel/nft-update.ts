import {
  encodeDeclaration,
  encodeElements,
  encodeRemoval,
  encodeRules,
  hasIntervals,
  NFT_MSG,
} from "./nft-declarations.ts";
import { NotEncodable } from "./nft-keys.ts";
import { isBaseChain, partKey } from "./nft-parts.ts";
import type { NftPart, NftTable } from "./nft-parts.ts";
import { NftWriter } from "./nft-writer.ts";

/** Messages of an update, in the order in which the kernel must have them; no buffer is empty. */
export interface NftUpdate {
  /** What nothing leads to yet: new chains, sets and maps. It may go ahead of the rest, in transactions of its own. */
  added: Buffer[];
  /** What changes the way of packets; one transaction. */
  changed: Buffer[];
}

/** A part's messages do not change: written once for all nodes that have it. */
const declarations = new WeakMap<NftPart, Buffer>();
const contents = new WeakMap<NftPart, Buffer>();
const writer = new NftWriter();

function once(cache: WeakMap<NftPart, Buffer>, part: NftPart, write: () => void): Buffer {
  let buffer = cache.get(part);
  if (buffer === undefined) {
    write();
    buffer = writer.take();
    cache.set(part, buffer);
  }
  return buffer;
}

function declaration(part: NftPart): Buffer {
  return once(declarations, part, () => encodeDeclaration(writer, part));
}

/** A chain's rules, a set's elements. */
function content(part: NftPart): Buffer {
  return once(contents, part, () => {
    if (part.kind === "chain") encodeRules(writer, part);
    else encodeElements(writer, NFT_MSG.newElement, part, part.elements);
  });
}

function removal(what: "elements" | "rules" | "part", part: NftPart): Buffer {
  encodeRemoval(writer, what, part);
  return writer.take();
}

function sameLines(before: NftPart, after: NftPart): boolean {
  return before.lines.length === after.lines.length && before.lines.every((line, index) => line === after.lines[index]);
}

/** Of a set whose properties stay: what goes and what comes, one key at a time or, with intervals, all of it. */
function changedElements(before: NftPart, after: NftPart): { removed: Buffer[]; added: Buffer[] } {
  if (hasIntervals(after)) {
    return { removed: before.elements.length === 0 ? [] : [removal("elements", before)], added: [content(after)] };
  }
  const old = new Set(before.elements);
  const now = new Set(after.elements);
  const gone = before.elements.filter((each) => !now.has(each));
  const fresh = after.elements.filter((each) => !old.has(each));
  const encode = (type: typeof NFT_MSG.newElement | typeof NFT_MSG.deleteElement, texts: string[]): Buffer[] => {
    if (texts.length === 0) return [];
    encodeElements(writer, type, after, texts);
    return [writer.take()];
  };
  return { removed: encode(NFT_MSG.deleteElement, gone), added: encode(NFT_MSG.newElement, fresh) };
}

type Group = NftTable["groups"][number];

function byKey(groups: readonly Group[]): Map<string, NftPart> {
  const parts = new Map<string, NftPart>();
  for (const group of groups) for (const part of group) parts.set(partKey(part), part);
  return parts;
}

/**
 * The groups of a table that the other has not, as the same object. Where both have as many, those that are not at their place: hundreds
 * are looked through for each node, and what has only moved turns out to be the same by its text.
 */
function otherThan({ groups }: NftTable, other: NftTable): Group[] {
  if (groups.length === other.groups.length) return groups.filter((group, index) => group !== other.groups[index]);
  const known = new Set(other.groups);
  return groups.filter((group) => !known.has(group));
}

/** Groups that go and come, and what that is as messages. */
interface Encoded {
  was: readonly Group[];
  is: readonly Group[];
  update: NftUpdate | undefined;
}

/** By the first group that comes, or goes: what is the same for several nodes is made once. */
const encoded = new WeakMap<Group, Encoded>();
const NOTHING: NftUpdate = { added: [], changed: [] };

function isSame(left: readonly Group[], right: readonly Group[]): boolean {
  return left.length === right.length && left.every((each, index) => each === right[index]);
}

/**
 * What turns one table, which the kernel has, into the other, of the same name: only parts that differ. Base chains and sets that
 * packets fill stay with what they hold, as long as their properties do. Undefined where the update is not one that can be
 * written this way, and the whole table has to be loaded instead: rules that {@link encodeRules} does not know, a base chain
 * that comes, goes or moves, a set with other properties.
 */
export function encodeUpdate(before: NftTable, after: NftTable): NftUpdate | undefined {
  if (before.comment !== after.comment) return undefined;
  const was = otherThan(before, after);
  const is = otherThan(after, before);
  const key = is[0] ?? was[0];
  if (key === undefined) return NOTHING;
  const known = encoded.get(key);
  if (known !== undefined && isSame(known.was, was) && isSame(known.is, is)) return known.update;
  const update = written(was, is);
  encoded.set(key, { was, is, update });
  return update;
}

/** The same of several tables, in one transaction; undefined where these are not the same tables. */
export function encodeUpdates(before: readonly NftTable[], after: readonly NftTable[]): NftUpdate | undefined {
  if (before.length !== after.length) return undefined;
  const updates: NftUpdate[] = [];
  for (const [index, table] of after.entries()) {
    const previous = before[index];
    if (previous?.family !== table.family || previous.name !== table.name) return undefined;
    const update = encodeUpdate(previous, table);
    if (update === undefined) return undefined;
    if (update.added.length > 0 || update.changed.length > 0) updates.push(update);
  }
  return together(updates);
}

const joined = new WeakMap<NftUpdate, { updates: readonly NftUpdate[]; all: NftUpdate }>();

function together(updates: readonly NftUpdate[]): NftUpdate {
  const [first, second] = updates;
  if (first === undefined) return NOTHING;
  if (second === undefined) return first;
  const known = joined.get(first);
  if (known?.updates.length === updates.length && known.updates.every((each, index) => each === updates[index]))
    return known.all;
  const all = {
    added: updates.flatMap(({ added }) => added),
    changed: updates.flatMap(({ changed }) => changed),
  };
  joined.set(first, { updates, all });
  return all;
}

function written(was: readonly Group[], is: readonly Group[]): NftUpdate | undefined {
  try {
    return update(byKey(was), byKey(is));
  } catch (error) {
    if (!(error instanceof NotEncodable)) throw error;
    writer.take();
    return undefined;
  }
}

function update(was: ReadonlyMap<string, NftPart>, is: ReadonlyMap<string, NftPart>): NftUpdate {
  const gone: NftPart[] = [];
  const fresh: NftPart[] = [];
  const changed: [before: NftPart, after: NftPart][] = [];
  for (const [key, part] of is) {
    const old = was.get(key);
    if (old === undefined) fresh.push(part);
    else if (old.text !== part.text) changed.push([old, part]);
  }
  for (const [key, part] of was) if (!is.has(key)) gone.push(part);
  if (gone.some(isBaseChain)) throw new NotEncodable("a base chain that goes");

  const chains = changed.filter(([{ kind }]) => kind === "chain");
  for (const [old, now] of chains) {
    if (isBaseChain(old) !== isBaseChain(now) || (isBaseChain(old) && old.lines[0] !== now.lines[0]))
      throw new NotEncodable("a base chain that moves");
  }
  const sets = changed
    .filter(([{ kind }]) => kind !== "chain")
    .map(([old, now]) => {
      if (!sameLines(old, now)) throw new NotEncodable("a set with other properties");
      return changedElements(old, now);
    });
  const isChain = ({ kind }: NftPart): boolean => kind === "chain";
  const added = [
    ...fresh.map(declaration),
    ...fresh.filter((part) => !isChain(part)).map(content),
    ...fresh.filter(isChain).map(content),
  ];
  const moved = [
    // What refers to others goes before them.
    ...chains.filter(([{ lines }]) => lines.length > 0).map(([old]) => removal("rules", old)),
    ...gone.filter(isChain).map((part) => removal("rules", part)),
    ...sets.flatMap(({ removed }) => removed),
    ...gone.filter((part) => !isChain(part)).map((part) => removal("part", part)),
    ...gone.filter(isChain).map((part) => removal("part", part)),
    ...sets.flatMap(({ added }) => added),
    ...chains.map(([, now]) => content(now)),
  ];
  // A chain without rules and a set without elements have no content.
  const hasMessages = ({ length }: Buffer): boolean => length > 0;
  return { added: added.filter(hasMessages), changed: moved.filter(hasMessages) };
}
