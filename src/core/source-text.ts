import { LineCounter } from "yaml";
import type { Span } from "./errors.ts";

/** A text file in memory, with line and column of every offset. Line breaks are LF or CRLF. */
export class SourceText {
  readonly file: string;
  readonly text: string;
  readonly #lines = new LineCounter();

  /** `file` is the name that spans show. A byte-order mark must be gone already: it has no column. */
  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
    this.#lines.addNewLine(0);
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) this.#lines.addNewLine(at + 1);
  }

  /** The span of a range of offsets, cut at the end of its first line and at least one character long. */
  span(start: number, end: number): Span {
    const offset = Math.min(Math.max(start, 0), this.text.length);
    const { line, col } = this.#lines.linePos(offset);
    const lineStart = offset - (col - 1);
    const lineText = this.#lineAt(lineStart);
    const room = lineText.trimEnd().length - (col - 1);
    return { file: this.file, line, column: col, length: Math.max(1, Math.min(end - offset, room)), lineText };
  }

  #lineAt(start: number): string {
    const newline = this.text.indexOf("\n", start);
    const line = this.text.slice(start, newline < 0 ? undefined : newline);
    return line.endsWith("\r") ? line.slice(0, -1) : line;
  }
}
