import type { Cell, JudgedCell } from "../grade/types.ts";
import type { Paint } from "./colour.ts";

/** A mark in a matrix and what it means. */
export interface Mark {
  glyph: string;
  meaning: string;
  paint(paint: Paint, text: string): string;
}

const asExpected: Mark["paint"] = (paint, text) => paint.green(text);
const unexpected: Mark["paint"] = (paint, text) => paint.bold(paint.red(text));
const plain: Mark["paint"] = (paint, text) => paint.dim(text);
const unsure: Mark["paint"] = (paint, text) => paint.bold(paint.yellow(text));

/** Every mark a matrix can hold: small marks are as expected, capital letters are not. */
export const marks = {
  allowed: { glyph: "✓", meaning: "allowed, as expected", paint: asExpected },
  blocked: { glyph: "·", meaning: "blocked, as expected", paint: asExpected },
  leaked: { glyph: "A", meaning: "allowed, should not be", paint: unexpected },
  dropped: { glyph: "D", meaning: "dropped, should not be", paint: unexpected },
  rejected: { glyph: "R", meaning: "rejected, should not be", paint: unexpected },
  inconclusive: { glyph: "?", meaning: "inconclusive", paint: unsure },
  ungraded: { glyph: "-", meaning: "not graded", paint: plain },
} as const satisfies Record<string, Mark>;

/** Marks of a matrix of what policies say, where nothing is expected or seen. */
export const saidMarks = {
  allowed: { glyph: "✓", meaning: "allowed", paint: asExpected },
  blocked: { glyph: "·", meaning: "blocked", paint: unexpected },
  itself: { glyph: "-", meaning: "itself", paint: plain },
} as const satisfies Record<string, Mark>;

/** The mark of one cell; a cell without a verdict takes no part in the grade. */
export function markOf(cell: Cell | JudgedCell): Mark {
  if (!("verdict" in cell)) return marks.ungraded;
  const outcome = cell.observation?.outcome;
  if (cell.verdict === "inconclusive" || outcome === undefined || outcome === "error") return marks.inconclusive;
  if (cell.verdict === "pass") return outcome === "allowed" ? marks.allowed : marks.blocked;
  if (outcome === "allowed") return marks.leaked;
  return marks[outcome];
}

/** One line that explains the marks these cells use. */
export function legendOf(cells: readonly Cell[], paint: Paint): string {
  const present = new Set<Mark>(cells.map(markOf));
  return describeMarks(
    Object.values<Mark>(marks).filter((mark) => present.has(mark)),
    paint,
  );
}

/** One line that says what marks mean. */
export function describeMarks(shown: readonly Mark[], paint: Paint): string {
  return shown.map((mark) => `${mark.paint(paint, mark.glyph)} ${paint.dim(mark.meaning)}`).join("   ");
}
