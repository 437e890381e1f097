import { addressOf, NFPROTO, NotEncodable, rangeOf, TYPES } from "./nft-keys.ts";
import type { DataType, NftFamily } from "./nft-keys.ts";
import { conntrackState, loads, SELECTORS } from "./nft-selectors.ts";
import type { Selector } from "./nft-selectors.ts";
import { counter, compare, dnat, dynset, fibIsLocal, immediateVerdict, lookup, numgen, verdictOf } from "./nft-expressions.ts";
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
  rest: string;
  /** What the rule has already been narrowed to, as libnftables tracks it: a match is not made twice. */
  network?: number;
  transport?: number;
}

function take(state: State, pattern: RegExp): RegExpExecArray | undefined {
  const match = pattern.exec(state.rest);
  if (match?.index !== 0) return undefined;
  state.rest = state.rest.slice(match[0].length).trimStart();
  return match;
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

const SELECTOR = new RegExp(`^(${Object.keys(SELECTORS).join("|")})(?= )`);

function selectors(state: State): Selector[] {
  const found: Selector[] = [];
  do {
    const name = take(state, SELECTOR)?.[1];
    if (name === undefined || name === "meta nfproto") throw new NotEncodable(state.rest);
    const selector = SELECTORS[name as keyof typeof SELECTORS] as Selector;
    if (selector.network !== undefined) requireNetwork(state, selector.network);
    if (selector.transport !== undefined) requireTransport(state, selector.transport);
    found.push(selector);
  } while (take(state, /^\. /) !== undefined);
  return found;
}

function list(state: State): string[] {
  const inside = take(state, /^\{ ([^{}]+) \}/)?.[1];
  if (inside === undefined) throw new NotEncodable(state.rest);
  return inside.split(", ");
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
    if (bits === 0 || bits % 8 !== 0) throw new NotEncodable(`the prefix ${text}`);
    state.expressions.push(() => {
      loads(writer, [selector], bits / 8);
      compare(writer, isNegated ? "neq" : "eq", first.subarray(0, bits / 8));
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
  const isMap = take(state, /^vmap /) !== undefined;
  const isNegated = take(state, /^!= /) !== undefined;
  const set = take(state, /^@([A-Za-z0-9._/-]+)/)?.[1];
  if (set !== undefined) {
    state.expressions.push(load, () => lookup(writer, set, { isMap, isNegated }));
    return;
  }
  if (state.rest.startsWith("{")) {
    const texts = list(state);
    const [only] = texts;
    const [field] = fields;
    if (!isMap && texts.length === 1 && only !== undefined && field !== undefined && fields.length === 1) {
      matchOne(state, field, only, isNegated);
      return;
    }
    const isInterval = texts.some((text) => IS_RANGE.test(text.split(" : ")[0] ?? "") && !text.startsWith('"'));
    if (isInterval && (isMap || fields.length > 1)) throw new NotEncodable("a map of intervals");
    const name = state.target.anonymous({ types, isMap, isInterval, elements: texts.map((text) => element(text, isMap)) });
    state.expressions.push(load, () => lookup(writer, name, { isMap, isNegated }));
    return;
  }
  const value = take(state, /^("[^"]*"|[0-9A-Za-z.:/-]+)/)?.[1];
  const [field] = fields;
  if (isMap || value === undefined || field === undefined || fields.length !== 1) throw new NotEncodable(state.rest);
  matchOne(state, field, value, isNegated);
}

export function element(text: string, isMap: boolean): { text: string; verdict?: NftVerdict } {
  if (!isMap) return { text };
  const [key = "", verdict = ""] = text.split(" : ");
  return { text: key, verdict: verdictOf(verdict) };
}

/** Each statement: its pattern, and what it adds. Only the words of rules that this project writes. */
const STATEMENTS: readonly [RegExp, (state: State, words: RegExpExecArray) => void][] = [
  [
    /^(accept|drop|return|(?:jump|goto) [A-Za-z0-9._/-]+)/,
    (state, [, words = ""]) => {
      const verdict = verdictOf(words);
      state.expressions.push(() => immediateVerdict(state.target.writer, verdict));
    },
  ],
  [/^counter/, (state) => void state.expressions.push(() => counter(state.target.writer))],
  [
    /^comment "([^"]*)"$/,
    (state, [, text = ""]) => {
      state.comment = text;
    },
  ],
  [
    /^ct state ([a-z,]+)/,
    (state, [, words = ""]) => {
      const { writer } = state.target;
      const names = words.split(",");
      state.expressions.push(() => conntrackState(writer, names));
    },
  ],
  [
    /^fib saddr type local/,
    (state) => void state.expressions.push(() => fibIsLocal(state.target.writer)),
  ],
  [
    /^numgen random mod (\d{1,6}) vmap (?=\{)/,
    (state, [, modulus = ""]) => {
      const { writer } = state.target;
      const elements = list(state).map((text) => element(text, true));
      const name = state.target.anonymous({ types: [TYPES.integer], isMap: true, isInterval: false, elements });
      state.expressions.push(() => {
        numgen(writer, Number(modulus));
        lookup(writer, name, { isMap: true, isNegated: false });
      });
    },
  ],
  [
    /^update @([A-Za-z0-9._/-]+) \{ /,
    (state, [, set = ""]) => {
      const fields = selectors(state);
      if (take(state, /^\}/) === undefined) throw new NotEncodable(state.rest);
      const { writer } = state.target;
      state.expressions.push(() => {
        loads(writer, fields);
        dynset(writer, set);
      });
    },
  ],
  [
    /^dnat to (?:\[([0-9a-f:]+)\]|([0-9.]+)):(\d{1,5})$/,
    (state, [, six, four, port = ""]) => {
      const address = addressOf(six ?? four ?? "");
      const number = TYPES.inet_service.parse(port);
      const family = six === undefined ? NFPROTO.ip : NFPROTO.ip6;
      if (state.target.family !== (six === undefined ? "ip" : "ip6")) throw new NotEncodable("dnat in another family");
      state.expressions.push(() => dnat(state.target.writer, family, address, number));
    },
  ],
];

/** What a rule in nft(8)'s syntax is made of. Throws {@link NotEncodable} for whatever it does not know. */
export function encodeRule(text: string, target: RuleTarget): EncodedRule {
  const state: State = { target, rest: text, expressions: [] };
  while (state.rest !== "") {
    let isKnown = false;
    for (const [pattern, add] of STATEMENTS) {
      const words = take(state, pattern);
      if (words === undefined) continue;
      add(state, words);
      isKnown = true;
      break;
    }
    if (!isKnown) match(state);
  }
  return state;
}

