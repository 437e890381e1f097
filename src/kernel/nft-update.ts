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

/** Messages of an update, in the order in which the kernel must have them. */
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

function written(cache: WeakMap<NftPart, Buffer>, part: NftPart, write: () => void): Buffer {
  let buffer = cache.get(part);
  if (buffer === undefined) {
    write();
    buffer = writer.take();
    cache.set(part, buffer);
  }
  return buffer;
}

function declaration(part: NftPart): Buffer {
  return written(declarations, part, () => encodeDeclaration(writer, part));
}

/** A chain's rules, a set's elements. */
function content(part: NftPart): Buffer {
  return written(contents, part, () => {
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

function byKey(groups: Iterable<readonly NftPart[]>): Map<string, NftPart> {
  return new Map([...groups].flatMap((group) => group.map((part) => [partKey(part), part])));
}

/** The parts of groups that the other table has not, as the same object. */
function otherThan(table: NftTable, other: NftTable): Map<string, NftPart> {
  const known = new Set(other.groups);
  return byKey(table.groups.filter((group) => !known.has(group)));
}

/**
 * What turns one table, which the kernel has, into the other, of the same name: only parts that differ. Base chains and sets that
 * packets fill stay with what they hold, as long as their properties do. Undefined where the update is not one that can be
 * written this way, and the whole table has to be loaded instead: rules that {@link encodeRules} does not know, a base chain
 * that comes, goes or moves, a set with other properties.
 */
export function encodeUpdate(before: NftTable, after: NftTable): NftUpdate | undefined {
  try {
    return update(before, after);
  } catch (error) {
    if (!(error instanceof NotEncodable)) throw error;
    writer.take();
    return undefined;
  }
}

function update(before: NftTable, after: NftTable): NftUpdate {
  if (before.comment !== after.comment) throw new NotEncodable("another comment");
  const was = otherThan(before, after);
  const is = otherThan(after, before);
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
  return {
    added: [
      ...fresh.map(declaration),
      ...fresh.filter((part) => !isChain(part)).map(content),
      ...fresh.filter(isChain).map(content),
    ],
    changed: [
      // What refers to others goes before them.
      ...chains.filter(([{ lines }]) => lines.length > 0).map(([old]) => removal("rules", old)),
      ...gone.filter(isChain).map((part) => removal("rules", part)),
      ...sets.flatMap(({ removed }) => removed),
      ...gone.filter((part) => !isChain(part)).map((part) => removal("part", part)),
      ...gone.filter(isChain).map((part) => removal("part", part)),
      ...sets.flatMap(({ added }) => added),
      ...chains.map(([, now]) => content(now)),
    ],
  };
}
