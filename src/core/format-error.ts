import type { LabWarning, Span } from "./errors.ts";
import { makeVisible, makeVisibleLine } from "./visible-text.ts";

/** What can be printed: an error or a warning. */
export type Problem = Pick<LabWarning, "code" | "message" | "hint" | "span">;

/** Paints parts of a problem; the default paints nothing. */
export interface ProblemPaint {
  code(text: string): string;
  place(text: string): string;
  caret(text: string): string;
  hint(text: string): string;
}

const PLAIN: ProblemPaint = {
  code: (text) => text,
  place: (text) => text,
  caret: (text) => text,
  hint: (text) => text,
};

/** Source lines wider than this are cut around the caret. */
const LINE_WIDTH = 120;
const CONTEXT_BEFORE_CARET = 60;

/**
 * A problem as cnilab prints it: `file:line:column  CODE  message`, the source line with a caret under what is meant,
 * and the hint. Control characters of what was read are made visible. No trailing line break.
 */
export function formatProblem(problem: Problem, paint: ProblemPaint = PLAIN): string {
  const { span } = problem;
  const message = makeVisible(problem.message).replaceAll("\n", "\n  ");
  const head = `${paint.code(problem.code)}  ${message}`;
  const lines =
    span === undefined
      ? [head]
      : [
          `${paint.place(`${makeVisibleLine(span.file)}:${span.line}:${span.column}`)}  ${head}`,
          ...sourceLines(span, paint),
        ];
  if (problem.hint !== undefined) {
    lines.push(`  ${paint.hint("hint:")} ${makeVisible(problem.hint).replaceAll("\n", "\n        ")}`);
  }
  return lines.join("\n");
}

/** All problems, a blank line between them. */
export function formatProblems(problems: readonly Problem[], paint?: ProblemPaint): string {
  return problems.map((problem) => formatProblem(problem, paint)).join("\n\n");
}

/** By file in order of first mention, then line and column; problems without a place come first. Stable. */
export function sortProblems<P extends Problem>(problems: readonly P[]): P[] {
  const files = new Map<string, number>();
  for (const { span } of problems) if (span !== undefined && !files.has(span.file)) files.set(span.file, files.size);
  const rank = (problem: P): [number, number, number] =>
    problem.span === undefined
      ? [-1, 0, 0]
      : [files.get(problem.span.file) ?? 0, problem.span.line, problem.span.column];
  return problems.toSorted((a, b) => {
    const [fileA, lineA, columnA] = rank(a);
    const [fileB, lineB, columnB] = rank(b);
    return fileA - fileB || lineA - lineB || columnA - columnB;
  });
}

function sourceLines(span: Span, paint: ProblemPaint): string[] {
  if (span.lineText.trim() === "") return [];
  const start = span.column - 1;
  const from = span.lineText.length > LINE_WIDTH ? Math.max(0, start - CONTEXT_BEFORE_CARET) : 0;
  const to = Math.min(span.lineText.length, from + LINE_WIDTH);
  const before = (from > 0 ? "…" : "") + makeVisibleLine(span.lineText.slice(from, start));
  const marked = makeVisibleLine(span.lineText.slice(start, Math.min(to, start + span.length)));
  const after = makeVisibleLine(span.lineText.slice(start + span.length, to)) + (to < span.lineText.length ? "…" : "");
  const number = String(span.line);
  return [
    `  ${number} | ${before}${marked}${after}`.trimEnd(),
    `  ${" ".repeat(number.length)} | ${" ".repeat(before.length)}${paint.caret("^".repeat(Math.max(1, marked.length)))}`,
  ];
}
