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
    const edits = candidate === lower ? 0 : distance(lower, candidate);
    // Two names of two letters that share none are one edit from nothing in common.
    if (edits < bestDistance && edits < Math.max(written.length, 2)) {
      best = name;
      bestDistance = edits;
    }
  }
  return best;
}

/** Hint for an unknown name: `did you mean calico? known: calico, flannel`; a long list is given only without a guess. */
export function didYouMean(written: string, known: Iterable<string>): string | undefined {
  const names = [...known];
  const guess = nearestName(written, names);
  const list = names.length <= 12 ? `known: ${names.join(", ")}` : undefined;
  if (guess !== undefined) return list === undefined ? `did you mean ${guess}?` : `did you mean ${guess}? ${list}`;
  return list ?? `known: ${names.slice(0, 40).join(", ")}${names.length > 40 ? ", …" : ""}`;
}
