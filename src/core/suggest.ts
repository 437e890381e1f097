import { distance } from "fastest-levenshtein";

/**
 * The known name that was most likely meant, or undefined when none is near: at most one edit in three characters, so
 * that "foo" does not suggest "tcp". A difference in letter case alone always counts as near.
 */
export function nearestName(written: string, known: Iterable<string>): string | undefined {
  // Levenshtein is quadratic; nobody means a name of this length.
  if (written.length > 100) return undefined;
  const lower = written.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(written.length / 3)) + 1;
  for (const name of known) {
    const candidate = name.toLowerCase();
    // "allow" is meant to be "allowed", however much is missing.
    const isBeginning = lower.length >= 4 && candidate.startsWith(lower);
    const edits = candidate === lower ? 0 : isBeginning ? 1 : editsBetween(lower, candidate);
    // Two names of two letters that share none are one edit from nothing in common.
    if (edits < bestDistance && edits < Math.max(written.length, 2)) {
      best = name;
      bestDistance = edits;
    }
  }
  return best;
}

/** Levenshtein distance, but two letters swapped (`titel`) are one edit, as they are one slip of the fingers. */
function editsBetween(a: string, b: string): number {
  const edits = distance(a, b);
  if (edits !== 2 || a.length !== b.length) return edits;
  const first = [...a].findIndex((letter, index) => letter !== b[index]);
  return a[first] === b[first + 1] && a[first + 1] === b[first] && a.slice(first + 2) === b.slice(first + 2)
    ? 1
    : edits;
}

/** Hint for an unknown name: `did you mean calico? known: calico, flannel`; a long list is given only without a guess. */
export function didYouMean(written: string, known: Iterable<string>): string | undefined {
  const names = [...known];
  const guess = nearestName(written, names);
  if (names.length === 0) return undefined;
  const list = names.length <= 12 ? `known: ${names.join(", ")}` : undefined;
  if (guess !== undefined)
    return list === undefined || names.length === 1 ? `did you mean ${guess}?` : `did you mean ${guess}? ${list}`;
  return list ?? `known: ${names.slice(0, 40).join(", ")}${names.length > 40 ? ", …" : ""}`;
}
