import { makeVisibleLine } from "../core/visible-text.ts";
import type { TimeUse } from "../grade/types.ts";

/**
 * `12m 30s of 15m used, 2m 30s left`; `late by 1m 5s, 16m 5s of 15m used: 8 points do not count`; or why it cannot be told. On one line.
 */
export function describeTime({ limitMs, usedMs, leftMs, lateMs, unknown, afterLimit, withheld }: TimeUse): string {
  const consequence = afterLimit === "points" ? ": points count all the same" : withheldText(withheld);
  if (usedMs === undefined) return `time unknown, ${makeVisibleLine(unknown ?? "")}${consequence}`;
  const used = `${wholeSeconds(usedMs)} of ${wholeSeconds(limitMs)} used`;
  if (lateMs === undefined) return `${used}, ${wholeSeconds(leftMs ?? 0)} left`;
  // Rounded up: whoever is late is never late by 0s.
  return `late by ${wholeSeconds(Math.ceil(lateMs / 1000) * 1000)}, ${used}${consequence}`;
}

function withheldText(withheld: TimeUse["withheld"]): string {
  if (withheld === undefined) return "";
  const points = withheld.earned + (withheld.bonus ?? 0);
  return points === 0 ? "" : `: ${points} ${points === 1 ? "point does" : "points do"} not count`;
}

/** `1h 5m`, `2m 30s`, `0s`. */
export function wholeSeconds(durationMs: number): string {
  const seconds = Math.floor(durationMs / 1000);
  const parts = [
    [Math.floor(seconds / 3600), "h"],
    [Math.floor((seconds % 3600) / 60), "m"],
    [seconds % 60, "s"],
  ] as const;
  const shown = parts.filter(([count]) => count > 0).map(([count, unit]) => `${count}${unit}`);
  return shown.length === 0 ? "0s" : shown.join(" ");
}
