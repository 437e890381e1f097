import type { Verdict } from "./types.ts";

/** One lab of an exam, as far as the score asks. */
export interface ExamPart {
  weight: number;
  verdict: Verdict;
  /** Absent where it could not be graded at all. */
  points?: { earned: number; possible: number };
}

/** What an exam comes to. Per cent, in whole hundredths, rounded down: 66 is reached by 66 alone. */
export interface ExamScore {
  verdict: Verdict;
  score: number;
}

/**
 * Each lab counts with its weight, by the share of its points that was earned; bonus points are not in it. What could not be told earns nothing.
 * Where it would decide between pass and fail, the exam is inconclusive. A lab in which nothing could be earned takes no part.
 */
export function scoreExam(parts: readonly ExamPart[], passMark: number): ExamScore {
  const counted = parts.filter(({ points }) => points === undefined || points.possible > 0);
  const total = counted.reduce((sum, { weight }) => sum + weight, 0);
  if (total === 0) return { verdict: "inconclusive", score: 0 };
  const sharePercent = (share: (part: ExamPart) => number): number =>
    (counted.reduce((sum, part) => sum + part.weight * share(part), 0) / total) * 100;
  const reached = sharePercent(earnedShare);
  const atMost = sharePercent((part) => (part.verdict === "inconclusive" ? 1 : earnedShare(part)));
  const isReached = (percent: number): boolean => percent >= passMark - ROUNDING;
  return {
    verdict: isReached(reached) ? "pass" : isReached(atMost) ? "inconclusive" : "fail",
    score: Math.floor((reached + ROUNDING) * 100) / 100,
  };
}

/** Of one lab alone, in per cent as {@link ExamScore}. */
export function labScore(part: ExamPart): number {
  return Math.floor((earnedShare(part) * 100 + ROUNDING) * 100) / 100;
}

/** Far below a hundredth of a point, far above what sums of doubles lose. */
const ROUNDING = 1e-9;

function earnedShare({ points }: ExamPart): number {
  return points === undefined || points.possible === 0 ? 0 : points.earned / points.possible;
}
