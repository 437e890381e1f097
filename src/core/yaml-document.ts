import {
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type Alias,
  type Document,
  type Node,
  type Pair,
  type YAMLMap,
} from "yaml";
import type { Span } from "./errors.ts";
import type { SourceText } from "./source-text.ts";

/** Keys and indices from a document's root to a value. */
export type YamlPath = readonly (string | number)[];

/** Aliases of a document and what they stand for. */
export type AliasTargets = ReadonlyMap<Alias, Node>;

/** The text that a mapping's key has in the plain value; undefined for keys that are collections. */
export function keyText(key: unknown): string | undefined {
  if (!isScalar(key)) return key === null ? "" : undefined;
  return key.value === null ? "" : String(key.value);
}

/** The merge key of a mapping: a plain `<<` (yaml.org/type/merge.html). */
export function mergePair(map: YAMLMap): Pair | undefined {
  return map.items.find(
    ({ key }) => isScalar(key) && key.source === "<<" && (key.type === undefined || key.type === "PLAIN"),
  );
}

interface Found {
  node: Node | null;
  /** The pair in a mapping; absent for the root and for items of a sequence. */
  pair: Pair | undefined;
}

/** A document's tree. */
export interface Composed {
  document: Document;
  aliases: AliasTargets;
}

/** For a document that was read without its tree: the offset of its first key or item, and how to make the tree. */
interface Uncomposed {
  start: number;
  compose(): Composed;
}

/** One document of a YAML file: its plain value, and the place of every value and key in the file. */
export class YamlDocument {
  /** The plain value; null where the document is empty. Keys are strings. */
  readonly value: unknown;
  readonly #source: SourceText;
  readonly #start: number | undefined;
  #tree: Composed | Uncomposed;

  /** The tree is made when a place is first asked for, where that is not yet done. */
  constructor(value: unknown, source: SourceText, tree: Composed | Uncomposed) {
    this.value = value;
    this.#source = source;
    this.#tree = tree;
    this.#start = "start" in tree ? tree.start : undefined;
  }

  get #composed(): Composed {
    if ("compose" in this.#tree) this.#tree = this.#tree.compose();
    return this.#tree;
  }

  /** Line on which the document's content begins, counted from 1. */
  get line(): number {
    return this.#start === undefined ? this.span([]).line : this.#source.span(this.#start, this.#start).line;
  }

  /** The file's name as spans show it. */
  get file(): string {
    return this.#source.file;
  }

  /** Where the value at a path is; where it does not exist, {@link parentSpan}. */
  span(path: YamlPath): Span {
    const found = this.#find(path);
    if (found === undefined) return this.parentSpan(path);
    const range = found.node?.range;
    // A value left out (`key:`) has an empty range behind the colon: the key shows better what is meant.
    const isEmpty = range === null || range === undefined || range[0] === range[1];
    return isEmpty && found.pair !== undefined ? this.keySpan(path) : this.#spanOf(found.node);
  }

  /** Where the key at a path is; the item itself in a sequence; where there is none, {@link parentSpan}. */
  keySpan(path: YamlPath): Span {
    const found = this.#find(path);
    if (found === undefined) return this.parentSpan(path);
    return this.#spanOf(found.pair === undefined ? found.node : (found.pair.key as Node));
  }

  /** For what is missing: the key of the nearest ancestor that exists, or the start of the item or document. */
  parentSpan(path: YamlPath): Span {
    for (let length = path.length - 1; length >= 0; length--) {
      const found = this.#find(path.slice(0, length));
      if (found === undefined) continue;
      if (found.pair !== undefined) return this.#spanOf(found.pair.key as Node);
      const first = isMap(found.node) ? found.node.items[0]?.key : undefined;
      return this.#spanOf((first as Node | undefined) ?? found.node);
    }
    return this.#spanOf(null);
  }

  /** Whether there is a value (or an empty value) at the path. */
  has(path: YamlPath): boolean {
    return this.#find(path) !== undefined;
  }

  /** The paths of all scalars below a path whose text satisfies the test, in file order. */
  findScalars(below: YamlPath, test: (text: string) => boolean): YamlPath[] {
    const paths: YamlPath[] = [];
    const visit = (node: unknown, path: YamlPath): void => {
      if (isMap(node)) for (const { key, value } of node.items) visit(value, [...path, keyText(key) ?? ""]);
      else if (isSeq(node)) for (const [index, item] of node.items.entries()) visit(item, [...path, index]);
      else if (isScalar(node) && test(String(node.value))) paths.push(path);
    };
    visit(this.#find(below)?.node, below);
    return paths;
  }

  #spanOf(node: Node | null | undefined): Span {
    const { document } = this.#composed;
    const [start, end] = node?.range ?? document.contents?.range ?? document.range ?? [0, 1];
    return this.#source.span(start, end);
  }

  #find(path: YamlPath): Found | undefined {
    let found: Found = { node: this.#composed.document.contents, pair: undefined };
    for (const step of path) {
      const node = this.#resolve(found.node);
      if (isMap(node)) {
        const pair = this.#findPair(node, String(step));
        if (pair === undefined) return undefined;
        found = { node: (pair.value ?? null) as Node | null, pair };
      } else if (isSeq(node)) {
        const item = typeof step === "number" ? node.items[step] : undefined;
        if (item === undefined || isPair(item)) return undefined;
        found = { node: item as Node | null, pair: undefined };
      } else return undefined;
    }
    return found;
  }

  #findPair(map: YAMLMap, name: string): Pair | undefined {
    const direct = map.items.find(({ key }) => keyText(key) === name);
    if (direct !== undefined) return direct;
    const merged = mergePair(map)?.value;
    const sources = isSeq(merged) ? merged.items : [merged];
    for (const source of sources) {
      const node = this.#resolve(source as Node | null);
      const pair = isMap(node) ? this.#findPair(node, name) : undefined;
      if (pair !== undefined) return pair;
    }
    return undefined;
  }

  #resolve(node: Node | null | undefined): Node | null | undefined {
    return isAlias(node) ? this.#composed.aliases.get(node) : node;
  }
}
