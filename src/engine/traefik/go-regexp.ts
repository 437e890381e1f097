/** Expressions that were compiled, by their text. */
const compiled = new Map<string, RegExp | undefined>();
const MANY = 1000;

/** Of a regular expression of Go's (RE2): undefined where it is none, or has what JavaScript's have not. */
export function regexOf(text: string): RegExp | undefined {
  if (!compiled.has(text)) {
    if (compiled.size >= MANY) compiled.clear();
    compiled.set(text, compile(text));
  }
  return compiled.get(text);
}

function compile(text: string): RegExp | undefined {
  const [, flags = "", rest = text] = /^\(\?([ims]+)\)(.*)$/s.exec(text) ?? [];
  try {
    return new RegExp(inJavaScript(rest), `u${[...new Set(flags)].join("")}`);
  } catch {
    return undefined;
  }
}

/** Names of groups, and escapes of characters that need none. */
function inJavaScript(text: string): string {
  return text
    .replaceAll(/\\(.)/gsu, (escape, character: string) =>
      /[A-Za-z0-9^$\\.*+?()[\]{}|/]/.test(character) ? escape : `\\u{${character.codePointAt(0)?.toString(16)}}`,
    )
    .replaceAll("(?P<", "(?<");
}

/** Go's Regexp.ReplaceAllString: `$1`, `${1}`, `$name` with the longest name, `$$`; a group that there is none of is nothing. */
export function replaceAll(regex: RegExp, text: string, replacement: string): string {
  let [replaced, from] = ["", 0];
  for (const match of text.matchAll(new RegExp(regex.source, `${regex.flags}g`))) {
    replaced += text.slice(from, match.index) + expanded(match, replacement);
    from = match.index + match[0].length;
  }
  return replaced + text.slice(from);
}

function expanded(match: RegExpMatchArray, replacement: string): string {
  return replacement.replaceAll(/\$(?:\$|\{(\w+)\}|(\w+))/g, (mark: string, braced?: string, plain?: string) => {
    if (mark === "$$") return "$";
    const name = braced ?? plain ?? "";
    const { groups = {} } = match;
    return (/^\d+$/.test(name) ? match[Number(name)] : Object.hasOwn(groups, name) ? groups[name] : "") ?? "";
  });
}
