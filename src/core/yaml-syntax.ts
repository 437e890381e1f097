import { isCollection, isScalar, visit, type Document, type YAMLError } from "yaml";
import { LabError } from "./errors.ts";
import { shorten } from "./shorten.ts";
import type { SourceText } from "./source-text.ts";

/**
 * A document's syntax errors and unknown tags in words for people who write YAML by hand. What the parser says of the
 * rest of a wrong line, or of anything behind an open quote or bracket, is a consequence of its first complaint and
 * left out. At most `most` problems.
 */
export function syntaxProblems(document: Document, source: SourceText, most: number): LabError[] {
  const problems: LabError[] = [];
  const lines = new Set<number | undefined>();
  for (const error of [...document.errors, ...document.warnings]) {
    const open = openEnd(error, document, source);
    const problem = open ?? syntaxProblem(error, source);
    if (!lines.has(problem.span?.line)) problems.push(problem);
    lines.add(problem.span?.line);
    if (open !== undefined || problems.length === most) break;
  }
  return problems;
}

interface Wording {
  message?: string;
  hint: string;
}

/** For codes whose own message speaks of the parser's inside. */
const WORDINGS: Readonly<Record<string, Wording>> = {
  BAD_INDENT: {
    hint: "line it up with its neighbours; all keys of a map and all items of a list start in the same column",
  },
  MULTILINE_IMPLICIT_KEY: {
    message: "this is neither a key with a ':' nor part of the line above",
    hint: "a ':' may be missing, or the text needs quotes",
  },
  BLOCK_AS_IMPLICIT_KEY: {
    message: "this value has a ': ' in it",
    hint: "put the text in quotes; a map needs a line of its own",
  },
  MISSING_CHAR: { hint: "a closing quote, bracket or comma may be missing" },
  BAD_SCALAR_START: { hint: "put the text in quotes" },
  BAD_DQ_ESCAPE: { hint: "use single quotes, or write the backslash twice" },
  UNEXPECTED_TOKEN: {
    message: "this is not expected here",
    hint: "a quote, bracket or comma may be missing or too many, or the indentation is wrong",
  },
};

function syntaxProblem(error: YAMLError, source: SourceText): LabError {
  const [start, end] = visibleRange(error, source);
  const span = source.span(start, end);
  if (error.code === "TAG_RESOLVE_FAILED") {
    const tag = /^\S{1,60}/.exec(source.text.slice(start, start + 60))?.[0] ?? "here";
    return new LabError("YAML_TAG", `tag ${tag} is not known`, { span, hint: "remove the tag" });
  }
  if (error.code === "TAB_AS_INDENT") {
    return new LabError("YAML_TAB", "a tab is used as indentation", { span, hint: "indent with spaces" });
  }
  if (error.message.includes("without - indicator")) {
    const { hint } = WORDINGS["BAD_INDENT"] as Wording;
    return new LabError("YAML_SYNTAX", "this line belongs to nothing above it", { span, hint });
  }
  const wording = WORDINGS[error.code];
  return new LabError("YAML_SYNTAX", wording?.message ?? shorten(error.message), { span, hint: wording?.hint });
}

/** The error for a quote or bracket that is never closed, at its beginning: the parser only tells where it gave up. */
function openEnd(error: YAMLError, document: Document, source: SourceText): LabError | undefined {
  const isQuote = error.code === "MISSING_CHAR" && error.message.includes("quote");
  const isFlow = error.code === "BAD_INDENT" && error.message.startsWith("Flow ");
  if (!isQuote && !isFlow) return undefined;
  const start = isQuote ? openQuote(document) : openBracket(document, error.pos[0], source);
  if (start === undefined) return undefined;
  const sign = source.text.charAt(start);
  const closing = { "{": "}", "[": "]" }[sign] ?? sign;
  return new LabError("YAML_SYNTAX", `this ${sign} is never closed`, {
    span: source.span(start, start + 1),
    hint: `add ${closing} at its end`,
  });
}

function openQuote(document: Document): number | undefined {
  let start: number | undefined;
  visit(document, {
    Node(_key, node) {
      if (isScalar(node) && (node.type === "QUOTE_SINGLE" || node.type === "QUOTE_DOUBLE"))
        start = node.range?.[0] ?? start;
    },
  });
  return start;
}

/** The innermost flow collection that begins before the offset and does not end in its bracket. */
function openBracket(document: Document, before: number, source: SourceText): number | undefined {
  let start: number | undefined;
  visit(document, {
    Node(_key, node) {
      if (!isCollection(node) || node.flow !== true || !node.range) return;
      const [from, to] = node.range;
      if (from < before && !"}]".includes(source.text.charAt(to - 1))) start = from;
    },
  });
  return start;
}

/** The error's range, moved off white space, and back from the end of the file, where there is nothing to see. */
function visibleRange(error: YAMLError, source: SourceText): [number, number] {
  const end = source.text.trimEnd().length;
  const [start] = error.pos;
  if (start >= end) return [Math.max(0, end - 1), end];
  if (error.code === "TAB_AS_INDENT") return error.pos;
  const blank = /^[ ]*/.exec(source.text.slice(start, start + 200))?.[0].length ?? 0;
  return [start + blank, Math.max(error.pos[1], start + blank + 1)];
}
