import { addressOf, NFPROTO, NotEncodable, rangeOf, TYPES } from "./nft-keys.ts";
import type { DataType, NftFamily } from "./nft-keys.ts";
import { conntrackState, loads, SELECTORS } from "./nft-selectors.ts";
import type { Selector } from "./nft-selectors.ts";
import {
  bitmask,
  counter,
  compare,
  dnat,
  dynset,
  fibIsLocal,
  immediateVerdict,
  lookup,
  numgen,
  verdictOf,
} from "./nft-expressions.ts";
import type { NftVerdict } from "./nft-expressions.ts";
import type { NftWriter } from "./nft-writer.ts";

/** A set or map that stands in a rule. */
export interface AnonymousSet {
  types: readonly DataType[];
  elements: readonly { text: string; verdict?: NftVerdict }[];
  isMap: boolean;
  isInterval: boolean;
}

/** Where the encoder puts a rule's expressions, and asks for the name of a set that stands in it. */
export interface RuleTarget {
  family: NftFamily;
  writer: NftWriter;
  /** Called before the rule itself is written. */
  anonymous(set: AnonymousSet): string;
}

/** What a rule is once it is understood; `write` writes its expressions. */
export interface EncodedRule {
  expressions: (() => void)[];
  comment?: string;
}

interface State extends EncodedRule {
  target: RuleTarget;
  /** The words of the rule; what stands in quotes is one. */
  words: readonly string[];
  at: number;
  /** What the rule has already been narrowed to, as libnftables tracks it: a match is not made twice. */
  network?: number;
  transport?: number;
}

function next(state: State): string {
  const word = state.words[state.at];
  if (word === undefined) throw new NotEncodable("a rule that ends early");
  state.at += 1;
  return word;
}

function skip(state: State, word: string): boolean {
  if (state.words[state.at] !== word) return false;
  state.at += 1;
  return true;
}

function demand(state: State, ...words: string[]): void {
  for (const word of words) if (!skip(state, word)) throw new NotEncodable(state.words.join(" "));
}

const NAME = /^[A-Za-z0-9._/-]+$/;

/** A set's or chain's name. */
function named(word: string): string {
  if (!NAME.test(word)) throw new NotEncodable(`the name ${word}`);
  return word;
}

/** A packet of another family has no such field: in a table of both its family is matched first. */
function requireNetwork(state: State, family: "ip" | "ip6"): void {
  const number = NFPROTO[family];
  if (state.target.family !== "inet") {
    if (state.target.family !== family) throw new NotEncodable(`${family} in a table of ${state.target.family}`);
    return;
  }
  if (state.network === number) return;
  if (state.network !== undefined) throw new NotEncodable("two families in one rule");
  state.network = number;
  const { writer } = state.target;
  state.expressions.push(() => {
    loads(writer, [SELECTORS["meta nfproto"]]);
    compare(writer, "eq", Buffer.of(number));
  });
}

function requireTransport(state: State, number: number): void {
  if (state.transport === number) return;
  if (state.transport !== undefined) throw new NotEncodable("two protocols in one rule");
  state.transport = number;
  const { writer } = state.target;
  state.expressions.push(() => {
    loads(writer, [SELECTORS["meta l4proto"]]);
    compare(writer, "eq", Buffer.of(number));
  });
}

function selector(state: State): Selector {
  const first = next(state);
  const name = Object.hasOwn(SELECTORS, first) ? first : `${first} ${next(state)}`;
  if (!Object.hasOwn(SELECTORS, name)) throw new NotEncodable(`the field ${name}`);
  return SELECTORS[name as keyof typeof SELECTORS];
}

function selectors(state: State): Selector[] {
  const found: Selector[] = [];
  do {
    const each = selector(state);
    if (each.network !== undefined) requireNetwork(state, each.network);
    if (each.transport !== undefined) requireTransport(state, each.transport);
    found.push(each);
  } while (skip(state, "."));
  return found;
}

function list(state: State): string[] {
  demand(state, "{");
  const end = state.words.indexOf("}", state.at);
  if (end === -1) throw new NotEncodable("a list without an end");
  const inside = state.words.slice(state.at, end).join(" ");
  state.at = end + 1;
  return inside.split(", ");
}

function allOnes(type: DataType): string {
  return type === TYPES.ipv4_addr ? "255.255.255.255" : "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
}

const IS_RANGE = /\/|\d-\d/;

/** A value, prefix or range of one field. A prefix of whole bytes is compared as the bytes alone, as libnftables does. */
function matchOne(state: State, selector: Selector, text: string, isNegated: boolean): void {
  const { writer } = state.target;
  const { type } = selector;
  const { first, last } = IS_RANGE.test(text) ? rangeOf(type, text) : { first: type.parse(text), last: undefined };
  if (last === undefined || first.equals(last)) {
    if (selector === SELECTORS["meta l4proto"] && !isNegated) {
      requireTransport(state, first[0] ?? 0);
      return;
    }
    state.expressions.push(() => {
      loads(writer, [selector]);
      compare(writer, isNegated ? "neq" : "eq", first);
    });
    return;
  }
  const bits = Number(text.split("/")[1] ?? 0);
  if (text.includes("/")) {
    if (bits === 0) throw new NotEncodable(`the prefix ${text}`);
    const isWhole = bits % 8 === 0;
    state.expressions.push(() => {
      loads(writer, [selector], isWhole ? bits / 8 : type.bytes);
      if (!isWhole) bitmask(writer, rangeOf(type, `${allOnes(type)}/${bits}`).first);
      compare(writer, isNegated ? "neq" : "eq", isWhole ? first.subarray(0, bits / 8) : first);
    });
    return;
  }
  if (isNegated) throw new NotEncodable(`not the range ${text}`);
  state.expressions.push(() => {
    loads(writer, [selector]);
    compare(writer, "gte", first);
    compare(writer, "lte", last);
  });
}

/** `@set`, `vmap @map`, `vmap { … }`, `[!=] { … }`, `[!=] VALUE`. */
function match(state: State): void {
  const fields = selectors(state);
  const { writer } = state.target;
  const types = fields.map(({ type }) => type);
  const load = (): void => loads(writer, fields);
  const isMap = skip(state, "vmap");
  const isNegated = skip(state, "!=");
  const [field] = fields;
  const word = state.words[state.at] ?? "";
  if (word.startsWith("@")) {
    state.at += 1;
    const set = named(word.slice(1));
    state.expressions.push(load, () => lookup(writer, set, { isMap, isNegated }));
    return;
  }
  if (word === "{") {
    const texts = list(state);
    const [only] = texts;
    if (!isMap && texts.length === 1 && only !== undefined && field !== undefined && fields.length === 1) {
      matchOne(state, field, only, isNegated);
      return;
    }
    const isInterval = texts.some((text) => IS_RANGE.test(text.split(" : ")[0] ?? "") && !text.startsWith('"'));
    if (isInterval && (isMap || fields.length > 1)) throw new NotEncodable("a map of intervals");
    const name = state.target.anonymous({
      types,
      isMap,
      isInterval,
      elements: texts.map((text) => element(text, isMap)),
    });
    state.expressions.push(load, () => lookup(writer, name, { isMap, isNegated }));
    return;
  }
  if (isMap || field === undefined || fields.length !== 1) throw new NotEncodable(state.words.join(" "));
  matchOne(state, field, next(state), isNegated);
}

export function element(text: string, isMap: boolean): { text: string; verdict?: NftVerdict } {
  if (!isMap) return { text };
  const [key = "", verdict = ""] = text.split(" : ");
  return { text: key, verdict: verdictOf(verdict) };
}

function verdict(state: State): void {
  const word = next(state);
  const found = verdictOf(word === "jump" || word === "goto" ? `${word} ${next(state)}` : word);
  state.expressions.push(() => immediateVerdict(state.target.writer, found));
}

/** Each statement by its first word. Only those of rules that this project writes; what is none of them is a match. */
const STATEMENTS: Readonly<Record<string, (state: State) => void>> = {
  accept: verdict,
  drop: verdict,
  return: verdict,
  jump: verdict,
  goto: verdict,
  counter: (state) => {
    demand(state, "counter");
    state.expressions.push(() => counter(state.target.writer));
  },
  comment: (state) => {
    demand(state, "comment");
    const text = next(state);
    if (!/^"[^"]*"$/.test(text) || state.at !== state.words.length) throw new NotEncodable(`the comment ${text}`);
    state.comment = text.slice(1, -1);
  },
  ct: (state) => {
    demand(state, "ct", "state");
    const names = next(state).split(",");
    state.expressions.push(() => conntrackState(state.target.writer, names));
  },
  fib: (state) => {
    demand(state, "fib", "saddr", "type", "local");
    state.expressions.push(() => fibIsLocal(state.target.writer));
  },
  numgen: (state) => {
    demand(state, "numgen", "random", "mod");
    const { writer } = state.target;
    const modulus = TYPES.integer.parse(next(state)).readUInt32LE(0);
    demand(state, "vmap");
    const elements = list(state).map((text) => element(text, true));
    const name = state.target.anonymous({ types: [TYPES.integer], isMap: true, isInterval: false, elements });
    state.expressions.push(() => {
      numgen(writer, modulus);
      lookup(writer, name, { isMap: true, isNegated: false });
    });
  },
  update: (state) => {
    demand(state, "update");
    const set = named(next(state).replace(/^@/, ""));
    demand(state, "{");
    const fields = selectors(state);
    demand(state, "}");
    const { writer } = state.target;
    state.expressions.push(() => {
      loads(writer, fields);
      dynset(writer, set);
    });
  },
  dnat: (state) => {
    demand(state, "dnat", "to");
    const [, six, four, port = ""] = /^(?:\[([0-9a-f:]+)\]|([0-9.]+)):(\d+)$/.exec(next(state)) ?? [];
    const address = addressOf(six ?? four ?? "");
    const number = TYPES.inet_service.parse(port);
    const family = six === undefined ? NFPROTO.ip : NFPROTO.ip6;
    if (state.target.family !== (six === undefined ? "ip" : "ip6")) throw new NotEncodable("dnat in another family");
    state.expressions.push(() => dnat(state.target.writer, family, address, number));
  },
};

/** What a rule in nft(8)'s syntax is made of. Throws {@link NotEncodable} for whatever it does not know. */
export function encodeRule(text: string, target: RuleTarget): EncodedRule {
  const words = text.includes('"') ? (text.match(/"[^"]*"[^ ]?|[^ ]+/g) ?? []) : text.split(" ");
  const state: State = { target, words, at: 0, expressions: [] };
  while (state.at < words.length) {
    const word = words[state.at] ?? "";
    const statement = Object.hasOwn(STATEMENTS, word) ? STATEMENTS[word] : undefined;
    (statement ?? match)(state);
  }
  return state;
}
