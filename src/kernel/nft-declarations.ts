import { intervalElements, keyOf, keyShape, NFPROTO, NotEncodable, TYPES } from "./nft-keys.ts";
import type { DataType } from "./nft-keys.ts";
import { valueData, verdictData } from "./nft-expressions.ts";
import type { NftVerdict } from "./nft-expressions.ts";
import { isBaseChain } from "./nft-parts.ts";
import type { NftPart } from "./nft-parts.ts";
import { element, encodeRule } from "./nft-rule.ts";
import type { AnonymousSet } from "./nft-rule.ts";
import type { NftWriter } from "./nft-writer.ts";

/* linux/netfilter/nf_tables.h */
export const NFT_MSG = {
  newChain: 3,
  deleteChain: 5,
  newRule: 6,
  deleteRule: 8,
  newSet: 9,
  deleteSet: 11,
  newElement: 12,
  deleteElement: 14,
  getGeneration: 16,
} as const;
const NLM_F_CREATE = 0x400;
const NLM_F_APPEND = 0x800;
const CHAIN = { table: 1, name: 3 } as const;
const RULE = { table: 1, chain: 2, expressions: 4, userdata: 7 } as const;
const SET = { table: 1, name: 2, flags: 3, keyType: 4, keyLength: 5, dataType: 6, dataLength: 7 } as const;
const SET_MORE = { description: 9, id: 10, timeout: 11, userdata: 13 } as const;
const DESCRIPTION_SIZE = 1;
const ELEMENTS = { table: 1, set: 2, list: 3 } as const;
const ELEMENT = { key: 1, data: 2, flags: 3 } as const;
const LIST_ELEM = 1;
const INTERVAL_END = 1;
const FLAGS = { anonymous: 1, constant: 2, interval: 4, map: 8, timeout: 0x10, dynamic: 0x20 } as const;
const VERDICT_TYPE = 0xffff_ff00;
/** What libnftables keeps beside a rule and a set for its listings (include/libnftnl/udata.h). */
const RULE_COMMENT = 0;
const SET_UDATA = { keyByteOrder: 0, comment: 7 } as const;
const BYTE_ORDER = { host: 1, network: 2, mixed: 0 } as const;
/** A list of elements is one attribute, whose length has 16 bits. */
const ELEMENTS_A_MESSAGE = 256;

function userdata(type: number, value: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(type, value.length), value]);
}

function textData(type: number, text: string): Buffer {
  return userdata(type, Buffer.from(`${text}\0`, "latin1"));
}

interface SetShape {
  types: readonly DataType[];
  flags: number;
  size?: number;
  timeoutMs?: bigint;
  comment?: string;
}

const SET_FLAGS: Readonly<Record<string, number>> = {
  interval: FLAGS.interval,
  dynamic: FLAGS.dynamic,
  timeout: FLAGS.timeout,
};

function typesOf(text: string): DataType[] {
  return text.split(" . ").map((name) => {
    if (!Object.hasOwn(TYPES, name)) throw new NotEncodable(`the type ${name}`);
    return TYPES[name as keyof typeof TYPES];
  });
}

/** The properties of a declared set, as its part's lines have them. */
function shapeOf(part: NftPart): SetShape {
  const shape: SetShape = { types: [], flags: part.kind === "map" ? FLAGS.map : 0 };
  // A comment may hold anything but quotes.
  const statements = part.lines.join("; ").match(/(?:"[^"]*"|[^;"])+/g) ?? [];
  for (const statement of statements.flatMap((text) => text.trim().split(/ (?=comment ")/))) {
    const [, word = "", value = ""] = /^(\S+) (.*)$/.exec(statement) ?? [];
    const comment = /^"([^"]*)"$/.exec(value)?.[1];
    if (word === "type") {
      const [key = "", data] = value.split(" : ");
      if (data !== (part.kind === "map" ? "verdict" : undefined)) throw new NotEncodable(`a map of ${data}`);
      shape.types = typesOf(key);
    } else if (word === "flags") {
      for (const flag of value.split(",")) {
        const bit = Object.hasOwn(SET_FLAGS, flag) ? SET_FLAGS[flag] : undefined;
        if (bit === undefined) throw new NotEncodable(`the flag ${flag}`);
        shape.flags |= bit;
      }
    } else if (word === "size" && /^\d+$/.test(value)) shape.size = Number(value);
    else if (word === "timeout" && /^\d+s$/.test(value)) shape.timeoutMs = BigInt(value.slice(0, -1)) * 1000n;
    else if (word === "comment" && comment !== undefined) shape.comment = comment;
    else throw new NotEncodable(`a set's ${statement}`);
  }
  if (shape.types.length === 0 || (shape.types.length > 1 && (shape.flags & FLAGS.interval) !== 0))
    throw new NotEncodable("intervals of a concatenation");
  return shape;
}

let setNumber = 0;

function newSet(writer: NftWriter, { family, table }: NftPart, name: string, shape: SetShape): void {
  const { types, flags, size, timeoutMs, comment } = shape;
  const key = keyShape(types);
  const [only] = types;
  const order = Buffer.alloc(4);
  order.writeUInt32LE(types.length === 1 && only !== undefined ? BYTE_ORDER[only.byteOrder] : BYTE_ORDER.mixed);
  setNumber = (setNumber % 0x7fff_ffff) + 1;
  writer.begin(NFT_MSG.newSet, NLM_F_CREATE, NFPROTO[family]).text(SET.table, table).text(SET.name, name);
  writer.u32(SET.flags, flags).u32(SET.keyType, key.number).u32(SET.keyLength, key.bytes);
  if ((flags & FLAGS.map) !== 0) writer.u32(SET.dataType, VERDICT_TYPE).u32(SET.dataLength, 0);
  writer.u32(SET_MORE.id, setNumber);
  if (size !== undefined) writer.nested(SET_MORE.description, () => writer.u32(DESCRIPTION_SIZE, size));
  if (timeoutMs !== undefined) writer.u64(SET_MORE.timeout, timeoutMs);
  const notes = [userdata(SET_UDATA.keyByteOrder, order)];
  if (comment !== undefined) notes.push(textData(SET_UDATA.comment, comment));
  writer.bytes(SET_MORE.userdata, Buffer.concat(notes)).end();
}

interface Element {
  key: Uint8Array;
  verdict?: NftVerdict;
  isEnd?: boolean;
}

function elementsOf(types: readonly DataType[], isInterval: boolean, elements: AnonymousSet["elements"]): Element[] {
  const [type] = types;
  if (isInterval && type !== undefined) {
    return intervalElements(
      type,
      elements.map(({ text }) => text),
    );
  }
  return elements.map(({ text, verdict }) => ({
    key: keyOf(types, text),
    ...(verdict === undefined ? {} : { verdict }),
  }));
}

function writeElements(
  writer: NftWriter,
  type: number,
  { family, table, set }: { family: NftPart["family"]; table: string; set: string },
  elements: readonly Element[],
): void {
  for (let start = 0; start < elements.length; start += ELEMENTS_A_MESSAGE) {
    const flags = type === NFT_MSG.newElement ? NLM_F_CREATE : 0;
    writer.begin(type, flags, NFPROTO[family]).text(ELEMENTS.table, table).text(ELEMENTS.set, set);
    writer.nested(ELEMENTS.list, () => {
      for (const { key, verdict, isEnd } of elements.slice(start, start + ELEMENTS_A_MESSAGE)) {
        writer.nested(LIST_ELEM, () => {
          if (isEnd === true) writer.u32(ELEMENT.flags, INTERVAL_END);
          valueData(writer, ELEMENT.key, key);
          if (verdict !== undefined) verdictData(writer, ELEMENT.data, verdict);
        });
      }
    });
    writer.end();
  }
}

/** Adds or deletes elements of a declared set or map. One with intervals takes all it has at once. */
export function encodeElements(
  writer: NftWriter,
  type: typeof NFT_MSG.newElement | typeof NFT_MSG.deleteElement,
  part: NftPart,
  texts: readonly string[],
): void {
  const { types, flags } = shapeOf(part);
  const isInterval = (flags & FLAGS.interval) !== 0;
  const target = { family: part.family, table: part.table, set: part.name };
  const elements = texts.map((text) => element(text, part.kind === "map"));
  writeElements(writer, type, target, elementsOf(types, isInterval, elements));
}

export function hasIntervals(part: NftPart): boolean {
  return (shapeOf(part).flags & FLAGS.interval) !== 0;
}

/** Deletes all elements of a set or map, all rules of a chain, or the part itself. */
export function encodeRemoval(writer: NftWriter, what: "elements" | "rules" | "part", part: NftPart): void {
  const { family, table, kind, name } = part;
  const number = NFPROTO[family];
  if (what === "elements")
    writer.begin(NFT_MSG.deleteElement, 0, number).text(ELEMENTS.table, table).text(ELEMENTS.set, name);
  else if (what === "rules") writer.begin(NFT_MSG.deleteRule, 0, number).text(RULE.table, table).text(RULE.chain, name);
  else if (kind === "chain")
    writer.begin(NFT_MSG.deleteChain, 0, number).text(CHAIN.table, table).text(CHAIN.name, name);
  else writer.begin(NFT_MSG.deleteSet, 0, number).text(SET.table, table).text(SET.name, name);
  writer.end();
}

/** Declares a chain without rules, or a set or map with its elements. Base chains are not made this way. */
export function encodeDeclaration(writer: NftWriter, part: NftPart): void {
  const { family, table, kind, name } = part;
  if (kind === "chain") {
    if (isBaseChain(part)) throw new NotEncodable("a base chain");
    writer.begin(NFT_MSG.newChain, NLM_F_CREATE, NFPROTO[family]).text(CHAIN.table, table).text(CHAIN.name, name).end();
    return;
  }
  newSet(writer, part, name, shapeOf(part));
}

let anonymousNumber = 0;
/** Above the numbers that the kernel would give, which are those of a user's own sets. */
const FIRST_ANONYMOUS = 100_000;

/**
 * A set that stands in a rule has a name all the same. One with "%d" in it would be numbered by the kernel, which reads the
 * names of all sets of the table each time: with 500 that is most of a transaction.
 */
function anonymousName(isMap: boolean): string {
  anonymousNumber = (anonymousNumber + 1) % 1_000_000_000;
  return `__${isMap ? "map" : "set"}${FIRST_ANONYMOUS + anonymousNumber}`;
}

/** The rules of a chain, each behind what stands in it. */
export function encodeRules(writer: NftWriter, part: NftPart): void {
  const { family, table, name } = part;
  for (const text of isBaseChain(part) ? part.lines.slice(1) : part.lines) {
    const { expressions, comment } = encodeRule(text, {
      family,
      writer,
      anonymous: ({ types, elements, isMap, isInterval }) => {
        const set = anonymousName(isMap);
        const flags = FLAGS.anonymous | FLAGS.constant | (isMap ? FLAGS.map : 0) | (isInterval ? FLAGS.interval : 0);
        const inside = elementsOf(types, isInterval, elements);
        newSet(writer, part, set, { types, flags, size: inside.length });
        writeElements(writer, NFT_MSG.newElement, { family, table, set }, inside);
        return set;
      },
    });
    writer.begin(NFT_MSG.newRule, NLM_F_CREATE | NLM_F_APPEND, NFPROTO[family]);
    writer.text(RULE.table, table).text(RULE.chain, name);
    writer.nested(RULE.expressions, () => {
      for (const write of expressions) write();
    });
    if (comment !== undefined) writer.bytes(RULE.userdata, textData(RULE_COMMENT, comment));
    writer.end();
  }
}
