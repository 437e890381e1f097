import type { Bound } from "../grade/types.ts";

/** One line for a bound that is not met. */
export function boundDifference(what: string, bound: Bound, seen: string | undefined): string {
  return `expected ${what} ${bound.text}, observed ${seen ?? "none"}`;
}

/** Whether text holds what was written: a substring, or a regular expression between slashes (`/^ok$/`, flags i m s). */
export function matchesText(written: string, text: string): boolean {
  const pattern = asPattern(written);
  return pattern === undefined ? text.includes(written) : pattern.test(text);
}

/** Why a `/pattern/` does not compile, or undefined. */
export function patternProblem(written: string): string | undefined {
  try {
    asPattern(written);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function asPattern(written: string): RegExp | undefined {
  const match = /^\/(.+)\/([ims]*)$/s.exec(written);
  return match === null ? undefined : new RegExp(match[1] ?? "", match[2]);
}

/** Text cut for a one-line reason. */
export function shorten(text: string, characters = 120): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length <= characters ? line : `${line.slice(0, characters)}…`;
}
