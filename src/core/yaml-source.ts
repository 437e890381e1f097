import {
  Composer,
  isAlias,
  isMap,
  isNode,
  isSeq,
  Lexer,
  Parser,
  visit,
  type Alias,
  type Document,
  type Node,
  type YAMLMap,
} from "yaml";
import { decodeText } from "./decode-text.ts";
import { LabError } from "./errors.ts";
import { readPlainYaml } from "./plain-yaml.ts";
import { shorten } from "./shorten.ts";
import { SourceText } from "./source-text.ts";
import { findExcess } from "./yaml-aliases.ts";
import { syntaxProblems } from "./yaml-syntax.ts";
import { keyText, mergePair, YamlDocument, type AliasTargets, type Composed } from "./yaml-document.ts";

/** What a file may cost to read; files come from strangers. */
export interface YamlLimits {
  maxBytes: number;
  /** Nesting of collections. */
  maxDepth: number;
  /** Times that aliases may expand. */
  maxAliases: number;
  /** Values that aliases may repeat, all together. */
  maxRepeated: number;
}

/** A file of manifests is seldom over 100 kB; 1 MiB is also what the API server stores of one object (etcd's limit). */
export const YAML_LIMITS: YamlLimits = {
  maxBytes: 1024 * 1024,
  maxDepth: 60,
  maxAliases: 100,
  maxRepeated: 20_000,
};

/** One wrong line pasted ten thousand times is one thing to mend. */
const MAX_PROBLEMS = 50;

/** YAML 1.2, 5.1: the printable characters are all but C0 (without tab and line breaks), DEL and surrogates. */
// eslint-disable-next-line no-control-regex
const UNPRINTABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\ufffe\uffff]/;

/** Tags whose values JSON can hold; sets, ordered maps and binary are no part of a lab or a manifest. */
const PLAIN_TAGS = new Set(
  ["str", "int", "float", "bool", "null", "map", "seq"].map((name) => `tag:yaml.org,2002:${name}`),
);

/** What {@link parseYaml} found: with problems there, `documents` may be incomplete and should not be judged further. */
export interface ParsedYaml {
  documents: YamlDocument[];
  problems: LabError[];
}

/**
 * Parses YAML 1.2 (core schema, merge keys) and keeps positions. Never throws: everything wrong with the text is in
 * `problems`, in file order, with codes YAML_*. A byte-order mark is accepted.
 */
export function parseYaml(bytes: Uint8Array | string, file: string, limits: YamlLimits = YAML_LIMITS): ParsedYaml {
  const size = typeof bytes === "string" ? Buffer.byteLength(bytes) : bytes.length;
  if (size > limits.maxBytes) return { documents: [], problems: [tooLarge(file, size, limits)] };
  const text = typeof bytes === "string" ? bytes : decodeText(bytes, file);
  if (text instanceof LabError) return { documents: [], problems: [text] };
  const source = new SourceText(file, text.startsWith("\ufeff") ? text.slice(1) : text);
  const unprintable = UNPRINTABLE.exec(source.text);
  if (unprintable !== null) {
    const span = source.span(unprintable.index, unprintable.index + 1);
    const code = (unprintable[0].codePointAt(0) ?? 0).toString(16).padStart(4, "0");
    const problem = new LabError("YAML_CONTROL_CHARACTER", `control character U+${code.toUpperCase()} is not allowed`, {
      span,
    });
    return { documents: [], problems: [problem] };
  }
  const documents: YamlDocument[] = [];
  const problems: LabError[] = [];
  for (const part of splitDocuments(source.text)) {
    const plain = readPlainYaml(part.text, limits.maxDepth);
    if (plain !== undefined) {
      const compose = (): Composed => composePlain(part, source, limits);
      documents.push(new YamlDocument(plain.value, source, { start: part.offset + plain.start, compose }));
      continue;
    }
    const tokens = parseTokens(part, source, limits);
    if (tokens instanceof LabError) return { documents: [], problems: [tokens] };
    for (const document of composerOf().compose(tokens, true, part.offset + part.text.length)) {
      const syntax = syntaxProblems(document, source, MAX_PROBLEMS);
      const checked = syntax.length > 0 ? syntax : readDocument(document, source, limits);
      if (checked instanceof YamlDocument) documents.push(checked);
      else problems.push(...checked);
    }
  }
  return { documents, problems };
}

/** The error for a file over the limit, for callers that look at its size before reading. */
export function tooLarge(file: string, size: number, limits: YamlLimits = YAML_LIMITS): LabError {
  const limit = `${limits.maxBytes / 1024} KiB`;
  return new LabError("YAML_TOO_LARGE", `${file} has ${Math.ceil(size / 1024)} KiB, over the limit of ${limit}`, {
    hint: "split it into several manifest files",
  });
}

/** A part of a file, where it begins. */
interface Part {
  text: string;
  offset: number;
}

/**
 * The documents of a file, by lines that are just `---`; the file as one part where it has markers of another form or
 * directives. No content of a document can have such a line (YAML 1.2, 9.1.2).
 */
function splitDocuments(text: string): Part[] {
  if (/^(?:---[^\n]|\.\.\.|%)/m.test(text)) return [{ text, offset: 0 }];
  const parts: Part[] = [];
  let offset = 0;
  for (const { index } of text.matchAll(/^---$/gm)) {
    const part = text.slice(offset, index);
    // Before the first marker there is a document only where there is content.
    if (parts.length > 0 || offset > 0 || /^ *[^\s#]/m.test(part)) parts.push({ text: part, offset });
    offset = Math.min(index + 4, text.length);
  }
  return [...parts, { text: text.slice(offset), offset }];
}

function composerOf(): Composer {
  return new Composer({ prettyErrors: false, merge: true, uniqueKeys: false, logLevel: "silent" });
}

/** The tree of a part that was read without one, for the places of its values. */
function composePlain(part: Part, source: SourceText, limits: YamlLimits): Composed {
  const tokens = parseTokens(part, source, limits);
  if (tokens instanceof LabError) throw tokens;
  const [document] = composerOf().compose(tokens, true, part.offset + part.text.length);
  return { document: document as Document, aliases: new Map() };
}

/** Depth is watched while parsing, because the composer recurses and would exhaust the stack. */
function parseTokens(
  part: Part,
  source: SourceText,
  limits: YamlLimits,
): Iterable<Parameters<Composer["next"]>[0]> | LabError {
  const parser = new Parser();
  parser.offset = part.offset;
  const tokens = [];
  for (const lexeme of new Lexer().lex(part.text)) {
    const { offset } = parser;
    tokens.push(...parser.next(lexeme));
    // The document itself is one entry of the stack, a scalar being read another.
    if (parser.stack.length > limits.maxDepth + 2) {
      return new LabError("YAML_TOO_DEEP", `nested deeper than ${limits.maxDepth} levels`, {
        span: source.span(offset, offset + 1),
      });
    }
  }
  tokens.push(...parser.end());
  return tokens;
}

type Report = (code: string, node: unknown, message: string, hint?: string) => void;

function readDocument(document: Document, source: SourceText, limits: YamlLimits): YamlDocument | LabError[] {
  const problems: LabError[] = [];
  const anchors = new Map<string, Node>();
  const targets = new Map<Alias, Node>();
  const maps: YAMLMap[] = [];
  const report: Report = (code, node, message, hint) => {
    if (problems.length >= MAX_PROBLEMS) return;
    const [start, end] = (isNode(node) ? node.range : undefined) ?? [0, 1];
    problems.push(new LabError(code, shorten(message), { hint, span: source.span(start, end) }));
  };
  visit(document, {
    Node(_key, node, ancestors) {
      if (problems.length >= MAX_PROBLEMS) return visit.BREAK;
      if (isAlias(node)) {
        const target = anchors.get(node.source);
        if (target === undefined) {
          report(
            "YAML_ALIAS",
            node,
            `alias *${node.source} names no anchor`,
            `put &${node.source} before the value it repeats`,
          );
        } else if (ancestors.includes(target)) {
          report("YAML_ALIAS", node, `alias *${node.source} is part of the value that it names`);
        } else targets.set(node, target);
      } else {
        if (node.anchor !== undefined) anchors.set(node.anchor, node);
        if (node.tag !== undefined && !PLAIN_TAGS.has(node.tag))
          report("YAML_TAG", node, `tag ${node.tag} is not used in labs`, "remove the tag");
        if (isMap(node)) {
          maps.push(node);
          checkKeys(node, source, report);
        }
      }
      return undefined;
    },
  });
  for (const map of maps) checkMerge(map, targets, report);
  if (problems.length > 0) return problems;
  const excess = findExcess(document, targets, { maxValues: limits.maxRepeated, maxDepth: limits.maxDepth });
  if (excess?.is === "depth")
    report(
      "YAML_TOO_DEEP",
      excess.alias,
      `with what this alias stands for, nested deeper than ${limits.maxDepth} levels`,
    );
  else if (excess !== undefined)
    report(
      "YAML_TOO_MANY_ALIASES",
      excess.alias,
      `up to here, aliases repeat more than ${limits.maxRepeated} values`,
      "write the values out",
    );
  if (problems.length > 0) return problems;
  try {
    const value: unknown = document.toJS({ maxAliasCount: limits.maxAliases });
    return new YamlDocument(value, source, { document, aliases: targets });
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    const alias = [...targets.keys()].at(-1);
    report(
      "YAML_TOO_MANY_ALIASES",
      alias,
      `aliases expand to more than ${limits.maxAliases} values`,
      "write the values out",
    );
    return problems;
  }
}

/** What `<<` merges must be maps; the parser finds out only when it is too late to say where. */
function checkMerge(map: YAMLMap, targets: AliasTargets, report: Report): void {
  const merged = mergePair(map);
  if (merged === undefined) return;
  const sources = isSeq(merged.value) ? merged.value.items : [merged.value];
  for (const source of sources) {
    if (isMap(isAlias(source) ? targets.get(source) : source)) continue;
    // An alias without a target is reported as such.
    if (!isAlias(source) || targets.has(source))
      report(
        "YAML_MERGE",
        isNode(source) ? source : merged.key,
        "<< can only merge maps",
        "write an alias of a map behind it",
      );
  }
}

function checkKeys(map: YAMLMap, source: SourceText, report: Report): void {
  const firsts = new Map<string, unknown>();
  for (const { key } of map.items) {
    const text = keyText(key);
    if (text === undefined) {
      report("YAML_KEY", key, "a key must be a plain text");
      continue;
    }
    if (!firsts.has(text)) {
      firsts.set(text, key);
      continue;
    }
    // Lines are only counted where one is told: on one long line, each costs its length.
    const first = firsts.get(text);
    const [start] = (isNode(first) ? first.range : undefined) ?? [0];
    const line = source.span(start, start + 1).line;
    report(
      "YAML_DUPLICATE_KEY",
      key,
      `key ${JSON.stringify(text)} is already given on line ${line}`,
      "keep one of them",
    );
  }
}

/** Whether a document holds a mapping, as every lab and every Kubernetes object does. */
export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
