/* Ranges: C0 without tab and line feed, DEL and C1 (ECMA-48), then the bidirectional controls of UAX #9. */
// eslint-disable-next-line no-control-regex
const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/**
 * Text from a tool, a manifest or a cluster, fit for a terminal: control characters become visible escapes such as
 * `\x1b`, so that they cannot move the cursor, recolour or reorder what is shown. Line feeds stay, CRLF becomes LF and
 * tabs become two spaces.
 */
export function makeVisible(text: string): string {
  return text
    .replaceAll("\r\n", "\n")
    .replaceAll("\t", "  ")
    .replace(hidden, (character) => {
      const code = character.codePointAt(0) ?? 0;
      return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
    });
}

/** {@link makeVisible} on one line: line breaks become `\n`. */
export function makeVisibleLine(text: string): string {
  return makeVisible(text).replaceAll("\n", "\\n");
}
