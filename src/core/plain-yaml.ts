/**
 * Reads the YAML that manifests are mostly made of, without a syntax tree: block maps and lists, plain and simply quoted
 * scalars, flow collections on one line. The value is the one that a YAML 1.2 parser (core schema) gives.
 *
 * Undefined for every text that has anything else in it (anchors, tags, block scalars, comments behind values, escapes,
 * scalars over several lines) or that is wrong: a parser then has to read it. It takes a fiftieth of a parser's time.
 */
export function readPlainYaml(text: string, maxDepth: number): { value: unknown; start: number } | undefined {
  // Tabs, CR, and signs that begin what is not read here, wherever they stand; a false alarm only costs time.
  if (/[\t\r&*!|>%@`\\?]| #|<<|__proto__/.test(text)) return undefined;
  const lines = readLines(text);
  const [first] = lines;
  if (first === undefined) return undefined;
  const reader = new PlainReader(lines, maxDepth);
  try {
    const value = reader.block(first.indent, 1);
    return reader.isAtEnd && typeof value === "object" ? { value, start: first.offset + first.indent } : undefined;
  } catch (error) {
    if (error === NOT_PLAIN) return undefined;
    throw error;
  }
}

interface Line {
  indent: number;
  /** From the indent on, without blanks at its end. */
  text: string;
  offset: number;
}

const NOT_PLAIN = new Error("this needs a YAML parser");

function readLines(text: string): Line[] {
  const lines: Line[] = [];
  for (let offset = 0; offset < text.length;) {
    const newline = text.indexOf("\n", offset);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(offset, end).trimEnd();
    const content = line.trimStart();
    if (content !== "" && !content.startsWith("#")) {
      lines.push({ indent: line.length - content.length, text: content, offset });
    }
    offset = end + 1;
  }
  return lines;
}

const KEY = /^([A-Za-z_][\w./-]*):(?: +(.*))?$/;
/** Keys that are no text to a parser. */
const WORD = /^(?:true|True|TRUE|false|False|FALSE|null|Null|NULL)$/;
const PLAIN = /^[A-Za-z_/][\w./:+=,()-]*$/;
const FLOW_PLAIN = /^[A-Za-z_/][\w./+=-]*$/;
const INTEGER = /^(?:0|-?[1-9]\d{0,14})$/;
/** Addresses and CIDRs, versions such as 1.2.3: text to every parser. */
const DOTTED = /^\d{1,3}\.\d{1,3}\.\d{1,3}(?:\.\d{1,3})?(?:\/\d{1,2})?$/;

class PlainReader {
  readonly #lines: Line[];
  readonly #maxDepth: number;
  #at = 0;

  constructor(lines: Line[], maxDepth: number) {
    this.#lines = lines;
    this.#maxDepth = maxDepth;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#lines.length;
  }

  /** The collection that begins at the current line. */
  block(indent: number, depth: number): unknown {
    if (depth > this.#maxDepth) throw NOT_PLAIN;
    const { text } = this.#lines[this.#at] as Line;
    if (isItem(text)) return this.#list(indent, depth);
    if (KEY.test(text)) return this.#map(indent, depth);
    throw NOT_PLAIN;
  }

  #map(indent: number, depth: number): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    for (let line = this.#lineAt(indent); line !== undefined && !isItem(line.text); line = this.#lineAt(indent)) {
      const match = KEY.exec(line.text);
      const key = match?.[1];
      if (match === null || key === undefined || WORD.test(key) || Object.hasOwn(map, key)) throw NOT_PLAIN;
      this.#at++;
      const written = match[2] ?? "";
      map[key] = written === "" ? this.#nested(indent, true, depth) : this.#scalar(written, indent, depth);
    }
    return map;
  }

  #list(indent: number, depth: number): unknown[] {
    const list: unknown[] = [];
    for (let line = this.#lineAt(indent); line !== undefined && isItem(line.text); line = this.#lineAt(indent)) {
      const content = line.text.slice(1).trimStart();
      if (content === "") {
        this.#at++;
        list.push(this.#nested(indent, false, depth));
      } else if (isItem(content) || KEY.test(content)) {
        // What follows "- " stands on a line of its own, further in.
        const inner = indent + line.text.length - content.length;
        this.#lines[this.#at] = { ...line, indent: inner, text: content };
        list.push(this.block(inner, depth + 1));
      } else {
        this.#at++;
        list.push(this.#scalar(content, indent, depth));
      }
    }
    return list;
  }

  /** The value below a key or an empty item; null where there is none. A map's list may stand as far left as its key. */
  #nested(indent: number, isInMap: boolean, depth: number): unknown {
    const next = this.#lines[this.#at];
    if (next === undefined || next.indent < indent) return null;
    if (next.indent > indent) return this.block(next.indent, depth + 1);
    return isInMap && isItem(next.text) ? this.#list(indent, depth + 1) : null;
  }

  #scalar(written: string, indent: number, depth: number): unknown {
    const next = this.#lines[this.#at];
    // The value goes on.
    if (next !== undefined && next.indent > indent) throw NOT_PLAIN;
    const first = written.charAt(0);
    if (first !== "{" && first !== "[") return readScalar(written, PLAIN);
    const flow = new FlowReader(written, this.#maxDepth);
    return flow.whole(depth + 1);
  }

  /** The current line where it stands at the indent; undefined where the collection has ended. */
  #lineAt(indent: number): Line | undefined {
    const line = this.#lines[this.#at];
    if (line === undefined || line.indent < indent) return undefined;
    if (line.indent > indent) throw NOT_PLAIN;
    return line;
  }
}

/** `{ app: web, tier: "front" }` and `[a, { b: 1 }]`. */
class FlowReader {
  readonly #text: string;
  readonly #maxDepth: number;
  #at = 0;

  constructor(text: string, maxDepth: number) {
    this.#text = text;
    this.#maxDepth = maxDepth;
  }

  whole(depth: number): unknown {
    const value = this.#value(depth);
    if (this.#at !== this.#text.length) throw NOT_PLAIN;
    return value;
  }

  #value(depth: number): unknown {
    if (depth > this.#maxDepth) throw NOT_PLAIN;
    if (this.#take("{")) return this.#map(depth);
    if (this.#take("[")) return this.#list(depth);
    const word = /^(?:"[^"]*"|'[^']*'|[^\s,[\]{}"']+)/.exec(this.#text.slice(this.#at))?.[0] ?? "";
    this.#at += word.length;
    const value = readScalar(word, FLOW_PLAIN);
    this.#blanks();
    return value;
  }

  #map(depth: number): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    while (!this.#take("}")) {
      const match = /^([A-Za-z_][\w./-]*): +/.exec(this.#text.slice(this.#at));
      const key = match?.[1];
      if (match === null || key === undefined || WORD.test(key) || Object.hasOwn(map, key)) throw NOT_PLAIN;
      this.#at += match[0].length;
      map[key] = this.#value(depth + 1);
      if (!this.#take(",") && this.#text.charAt(this.#at) !== "}") throw NOT_PLAIN;
    }
    return map;
  }

  #list(depth: number): unknown[] {
    const list: unknown[] = [];
    while (!this.#take("]")) {
      list.push(this.#value(depth + 1));
      if (!this.#take(",") && this.#text.charAt(this.#at) !== "]") throw NOT_PLAIN;
    }
    return list;
  }

  #take(sign: string): boolean {
    if (this.#text.charAt(this.#at) !== sign) return false;
    this.#at++;
    this.#blanks();
    return true;
  }

  #blanks(): void {
    while (this.#text.charAt(this.#at) === " ") this.#at++;
  }
}

function isItem(text: string): boolean {
  return text === "-" || text.startsWith("- ");
}

function readScalar(written: string, plain: RegExp): unknown {
  if (/^"[^"]*"$/.test(written) || /^'[^']*'$/.test(written)) return written.slice(1, -1);
  if (INTEGER.test(written)) return Number(written);
  if (DOTTED.test(written)) return written;
  if (!plain.test(written) || written.endsWith(":")) throw NOT_PLAIN;
  if (!WORD.test(written)) return written;
  const lower = written.toLowerCase();
  return lower === "null" ? null : lower === "true";
}
