import { LabError, LabProblems, type LabWarning } from "../core/errors.ts";
import { formatProblem, formatProblems, type ProblemPaint } from "../core/format-error.ts";
import { makeVisible } from "../core/visible-text.ts";
import type { Paint } from "../report/colour.ts";

/** Known errors as docs/errors.md describes them; anything else is a fault of cnilab and keeps its stack. */
export function formatError(error: unknown, paint: Paint): string {
  const problemPaint = errorPaint(paint, paint.red);
  if (error instanceof LabProblems) return `${formatProblems(error.problems, problemPaint)}\n`;
  if (error instanceof LabError) return `${formatProblem(error, problemPaint)}\n`;
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `${paint.red("this is a fault in cnilab, please report it with what follows:")}\n${makeVisible(stack)}\n`;
}

/** A warning in the same form. */
export function formatWarning(warning: LabWarning, paint: Paint): string {
  return `${paint.yellow("warning:")} ${formatProblem(warning, errorPaint(paint, paint.yellow))}`;
}

function errorPaint(paint: Paint, code: (text: string) => string): ProblemPaint {
  return { code: (text) => paint.bold(code(text)), place: paint.bold, caret: code, hint: paint.cyan };
}
