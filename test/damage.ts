import type { Random } from "../src/engine/seeded-random.ts";

/** Ways to damage a YAML file. What one gives may also be right: a damaged file need not be a wrong one. */
const damages: Readonly<Record<string, (bytes: Buffer, random: Random) => Buffer>> = {
  "cut at a byte": (bytes, random) => bytes.subarray(0, below(random, bytes.length)),
  "beginning cut off": (bytes, random) => bytes.subarray(below(random, bytes.length)),
  "bits flipped": (bytes, random) => {
    const copy = Buffer.from(bytes);
    for (let flips = 1 + below(random, 8); flips > 0; flips--) {
      const at = below(random, copy.length);
      copy[at] = (copy[at] ?? 0) ^ (1 << below(random, 8));
    }
    return copy;
  },
  "bytes inserted": (bytes, random) =>
    insert(bytes, below(random, bytes.length), Buffer.from(times(1 + below(random, 8), () => below(random, 256)))),
  "signs inserted": (bytes, random) =>
    insert(bytes, below(random, bytes.length), times(1 + below(random, 4), () => pick(random, SIGNS)).join("")),
  "bytes deleted": (bytes, random) => {
    const at = below(random, bytes.length);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(random, 40))]);
  },
  "lines deleted": byLines((lines, random) => lines.toSpliced(below(random, lines.length), 1 + below(random, 4))),
  "lines duplicated": byLines((lines, random) => {
    const at = below(random, lines.length);
    return lines.toSpliced(at, 0, ...lines.slice(at, at + 1 + below(random, 6)));
  }),
  "a line many times": byLines((lines, random) => {
    const at = below(random, lines.length);
    return lines.toSpliced(at, 0, ...times(size(random, 100, 5000), () => lines[at] ?? ""));
  }),
  "lines swapped": byLines((lines, random) => {
    const [first, second] = [below(random, lines.length), below(random, lines.length)];
    return lines.with(first, lines[second] ?? "").with(second, lines[first] ?? "");
  }),
  "lines indented otherwise": byLines((lines, random) => {
    const at = below(random, lines.length);
    const line = lines[at] ?? "";
    return lines.with(at, random() < 0.5 ? line.slice(1) : " ".repeat(1 + below(random, 5)) + line);
  }),
  "tabs for blanks": byLines((lines, random) => {
    const at = below(random, lines.length);
    return lines.with(
      at,
      (lines[at] ?? "").replace(/^ +|: |$/, (found) => found.replaceAll(" ", "") + "\t"),
    );
  }),
  "a misspelt key": (bytes, random) => withKey(bytes, random, (key) => misspell(key, random)),
  "a key of the prototype": (bytes, random) => withKey(bytes, random, () => pick(random, PROTOTYPE_KEYS)),
  "a key of a strange form": (bytes, random) => withKey(bytes, random, () => pick(random, STRANGE_KEYS)),
  "a name of the prototype": (bytes, random) => withValue(bytes, random, () => pick(random, PROTOTYPE_KEYS)),
  "a value of another type": (bytes, random) => withValue(bytes, random, () => pick(random, OTHER_VALUES)),
  "two values of another type": (bytes, random) => {
    const once = withValue(bytes, random, () => pick(random, OTHER_VALUES));
    return withValue(once, random, () => pick(random, OTHER_VALUES));
  },
  "a path out of the folder": (bytes, random) => withValue(bytes, random, () => pick(random, PATHS)),
  "nested without end": (bytes, random) => withValue(bytes, random, () => nest(random)),
  "nested indentation": (bytes, random) => {
    const item = pick(random, ["a:", "- a:", "-", "?"]);
    const levels = times(1 + below(random, 800), (level) => " ".repeat(level) + item);
    return Buffer.concat([bytes, Buffer.from(`\ndeep:\n${levels.map((line) => ` ${line}`).join("\n")}\n`)]);
  },
  "a huge scalar": (bytes, random) => withValue(bytes, random, () => hugeScalar(random)),
  "a huge key": (bytes, random) => withKey(bytes, random, () => pick(random, ["k", "k-", "é"]).repeat(100_000)),
  "a huge collection": (bytes, random) => withValue(bytes, random, () => hugeCollection(random)),
  "many keys": (bytes, random) => {
    const count = size(random, 100, 30_000);
    return Buffer.concat([bytes, Buffer.from(`\n${times(count, (index) => `key${index}: 1`).join("\n")}\n`)]);
  },
  "over a mebibyte": (bytes, random) =>
    Buffer.concat([bytes, Buffer.from(`\n${pick(random, ["#", "a: b\n", "---\n", "\n"]).repeat(1 << 20)}`)]),
  "aliases that explode": (bytes, random) => {
    const bomb = pick(random, [aliasBomb, aliasChain, mergeBomb, mergeListBomb, wideAliases, aliasOfItself])(random);
    return random() < 0.5 ? Buffer.concat([bytes, Buffer.from(`\n${bomb}`)]) : Buffer.from(bomb);
  },
  "an anchor used elsewhere": byLines((lines, random) => {
    const anchored = lines.map((line, index) => (index % 2 === 0 ? line.replace(/: (\S)/, ": &x $1") : line));
    const at = below(random, lines.length);
    return anchored.with(at, (anchored[at] ?? "").replace(/: .*/, ": *x"));
  }),
  "merge keys": byLines((lines, random) => {
    const at = below(random, lines.length);
    const indent = /^ */.exec(lines[at] ?? "")?.[0] ?? "";
    return lines.toSpliced(at, 0, `${indent}<<: ${pick(random, MERGED)}`);
  }),
  "duplicate keys": byLines((lines, random) => {
    const at = below(random, lines.length);
    return lines.toSpliced(at, 0, lines[at] ?? "", lines[at] ?? "");
  }),
  "documents without end": (bytes, random) =>
    Buffer.concat([bytes, Buffer.from(`\n${pick(random, DOCUMENTS).repeat(size(random, 3, 20_000))}`)]),
  directives: (bytes, random) => Buffer.concat([Buffer.from(pick(random, DIRECTIVES)), bytes]),
  tags: (bytes, random) => withValue(bytes, random, (value) => `${pick(random, TAGS)} ${value}`),
  NUL: (bytes, random) => insert(bytes, below(random, bytes.length), "\0".repeat(1 + below(random, 3))),
  "a byte-order mark inside": (bytes, random) => insert(bytes, below(random, bytes.length), "\ufeff"),
  "invalid UTF-8": (bytes, random) =>
    insert(bytes, below(random, bytes.length), Buffer.from(pick(random, INVALID_UTF8), "hex")),
  "another encoding": (bytes, random) => {
    const encoded = Buffer.from(bytes.toString("utf8"), "utf16le");
    return random() < 0.5 ? Buffer.concat([Buffer.from("fffe", "hex"), encoded]) : encoded.swap16();
  },
  "line breaks of every sort": (bytes, random) =>
    Buffer.from(bytes.toString().replaceAll("\n", () => pick(random, ["\n", "\r\n", "\r", "\u2028", "\u0085"]))),
  "hidden characters": (bytes, random) =>
    insert(bytes, below(random, bytes.length), pick(random, ["\u202e", "\u200f", "\u001b[2J", "\u0007", "\u2029"])),
  "random bytes": (_bytes, random) => Buffer.from(times(below(random, 3000), () => below(random, 256))),
  "random signs": (_bytes, random) => Buffer.from(times(below(random, 300), () => pick(random, SIGNS)).join("")),
  nothing: (_bytes, random) =>
    Buffer.from(pick(random, ["", "\n", " ", "#", "---", "...", "null", "\ufeff", "- ", "~"])),
  "JSON for YAML": (_bytes, random) =>
    Buffer.from(JSON.stringify(pick(random, [[], {}, 1, "text", null, true, [[[{}]]], { apiVersion: "v1" }]))),
};

/** Names of all ways. */
export const ways: readonly string[] = Object.keys(damages);

function damageBy(way: string, bytes: Buffer, random: Random): Buffer {
  return (damages[way] as (bytes: Buffer, random: Random) => Buffer)(bytes, random);
}

/** Damages a file, every way in its turn as `index` counts up; some have a second damage on top. */
export function damage(bytes: Buffer, index: number, random: Random): { content: Buffer; how: string } {
  const first = ways[index % ways.length] as string;
  const content = damageBy(first, bytes, random);
  if (content.length === 0 || random() > 0.2) return { content, how: first };
  const second = pick(random, ways);
  return { content: damageBy(second, content, random), how: `${first}, ${second}` };
}

/** Changes after which a file says what it said. */
export const harmless: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  "a byte-order mark": (bytes) => Buffer.concat([Buffer.from("\ufeff"), bytes]),
  CRLF: (bytes) => Buffer.from(bytes.toString().replaceAll("\n", "\r\n")),
  "comments and empty lines": (bytes) => Buffer.from(`# one\n\n${bytes.toString()}\n\n   # last\n\n`),
  "no line break at the end": (bytes) => Buffer.from(bytes.toString().trimEnd()),
};

const SIGNS = [
  ..."{}[]:,-?&*!|>'\"%@`#~\\ \n\t<=",
  ": ",
  "- ",
  "\n- ",
  "\n  ",
  "*a",
  "&a ",
  "<<: ",
  "? ",
  "!!",
  "\n---\n",
  "\n...\n",
  "a",
  "1",
  "|9\n",
  ">-\n",
  "''",
  '"\\x',
];
const PROTOTYPE_KEYS = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf"];
const STRANGE_KEYS = [
  "''",
  "'a b'",
  "1",
  "null",
  "true",
  "~",
  "? [a]",
  "? {a: b}",
  "[a]",
  "{a: b}",
  "<<",
  "'<<'",
  "&k k",
  "*k",
  "0x10",
  "-",
];
const OTHER_VALUES = [
  "",
  "{}",
  "[]",
  "null",
  "~",
  "true",
  "false",
  "''",
  "0",
  "-1",
  "1.5",
  "12345678901234567890",
  "9".repeat(400),
  "1e999",
  "-1e999",
  ".nan",
  ".inf",
  "0x10",
  "0o17",
  "2024-01-01",
  "[[]]",
  "[null]",
  "{ a: {} }",
  "[{ a: 1 }, 2]",
  "'text'",
  "any",
  "' '",
  "|\n",
  "node/",
  "a/b/c/d",
  "'*'",
  "*x",
  "0s",
  "-1s",
  "9999999999h",
  "1.2.3.4",
  "0.0.0.0/0",
  "::/0",
  "10.0.0.0/33",
  "{ __proto__: { a: 1 } }",
  "{ constructor: 1 }",
  "[__proto__]",
  "{ a: 1, a: 2 }",
  "'\\u0000'",
  '"\\u0000"',
  '"\\ud800"',
  '"\\x1b[2J"',
];
const PATHS = [
  "../../../etc/passwd",
  "/etc/passwd",
  "/dev/zero",
  "manifests",
  ".",
  "..",
  "lab.yaml",
  "manifests/..",
  "manifests/../lab.yaml",
  "'a\\0b'",
  '"a\\0b"',
  "x".repeat(5000),
  "manifests/".repeat(500),
  "~/x.yaml",
  "README.md",
  "manifests/none.yaml",
  '"\\n"',
];
const MERGED = [
  "1",
  "[]",
  "{}",
  "null",
  "{ kind: x }",
  "[{ a: 1 }, { b: 2 }]",
  "[1]",
  "*none",
  "'x'",
  "{ <<: { <<: { a: 1 } } }",
  "{ __proto__: { a: 1 } }",
];
const DOCUMENTS = [
  "---\n",
  "...\n",
  "--- a\n",
  "---\n---\n",
  "---\na: 1\n",
  "--- |\n",
  "...\n---\n",
  "---\n- 1\n",
  "---\nkind: List\n",
];
const DIRECTIVES = [
  "%YAML 1.2\n---\n",
  "%YAML 9.9\n---\n",
  "%TAG ! tag:x,2000:\n---\n",
  "%",
  "%FOO\n",
  "%YAML 1.1\n---\n",
  "%TAG\n---\n",
];
const TAGS = [
  "!!binary",
  "!!set",
  "!!omap",
  "!!timestamp",
  "!!float",
  "!!int",
  "!!map",
  "!!seq",
  "!!str",
  "!!null",
  "!x",
  "!<y>",
  "!",
  "!!",
  "!<",
  "!!js/function",
];
const INVALID_UTF8 = ["ff", "fe", "c0af", "eda080", "f8", "80", "c3", "e282", "f0288cbc", "f4908080"];

function below(random: Random, bound: number): number {
  return Math.floor(random() * bound);
}

function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[below(random, items.length)] as Item;
}

/** Mostly the small number: what is huge takes time. */
function size(random: Random, small: number, huge: number): number {
  return random() < 0.05 ? huge : small;
}

function times<Item>(count: number, make: (index: number) => Item): Item[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

function insert(bytes: Buffer, at: number, inserted: Buffer | string): Buffer {
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(inserted as string), bytes.subarray(at)]);
}

function byLines(change: (lines: string[], random: Random) => string[]): (bytes: Buffer, random: Random) => Buffer {
  return (bytes, random) => Buffer.from(change(bytes.toString().split("\n"), random).join("\n"));
}

/** Replaces what a random match of the expression has in its second group. */
function replaceOne(bytes: Buffer, random: Random, expression: RegExp, change: (found: string) => string): Buffer {
  const text = bytes.toString();
  const matches = [...text.matchAll(expression)];
  if (matches.length === 0) return Buffer.from(`${text}\nkey: ${change("value")}\n`);
  const match = pick(random, matches);
  const [whole, before = "", found = ""] = match;
  const rest = whole.slice(before.length + found.length);
  return Buffer.from(
    text.slice(0, match.index) + before + change(found) + rest + text.slice(match.index + whole.length),
  );
}

function withKey(bytes: Buffer, random: Random, change: (key: string) => string): Buffer {
  return replaceOne(bytes, random, /((?:^|[{,]) *(?:- )*)([\w./-]+):(?= |$)/gm, change);
}

function withValue(bytes: Buffer, random: Random, change: (value: string) => string): Buffer {
  return replaceOne(bytes, random, /(: +|^ *- |\[|, )([^\s,[\]{}]+)/gm, change);
}

function misspell(key: string, random: Random): string {
  const at = below(random, key.length);
  const letter = key.charAt(at);
  const spellings = [
    key.slice(0, at) + key.slice(at + 1),
    key.slice(0, at) + letter + key.slice(at),
    key.toUpperCase(),
  ];
  return `${pick(random, [...spellings, `${key}s`, key.split("").toReversed().join("")])}`;
}

function nest(random: Random): string {
  const levels = pick(random, [50, 59, 60, 61, 70, 1000, 20_000]);
  const [open, close] = pick(random, [
    ["[", "]"],
    ["{ a: ", "}"],
    ["{", "}"],
    ["[{ a: ", "}]"],
    ["- ", ""],
    ["? ", ""],
    ["[", ""],
    ["{ a: ", ""],
    ["!!seq [", "]"],
    ["&a [", "]"],
  ] as const);
  return open.repeat(levels) + close.repeat(levels);
}

function hugeScalar(random: Random): string {
  const length = size(random, 10_000, 900_000);
  const text = pick(random, ["x", "1", "x-", "a.", "é", "a/", "/", ":", "x=", "x ", "\u202e", "10.", "x,"]).repeat(
    length / 2,
  );
  return pick(random, [text, `"${text}"`, `'${text}'`, `|\n  ${text}`, `"${text}`]);
}

function hugeCollection(random: Random): string {
  const count = size(random, 500, 20_000);
  const item = pick(random, [
    "a",
    "1",
    "{}",
    "[]",
    "{ a: b }",
    "null",
    "{ name: a, image: b }",
    "default/pod/x",
    "m.yaml",
  ]);
  if (random() < 0.5) return `[${times(count, () => item).join(", ")}]`;
  return `{ ${times(count, (index) => `a${index}: ${item}`).join(", ")} }`;
}

/** "Billion laughs". */
function aliasBomb(random: Random): string {
  const levels = times(5 + below(random, 40), (level) => {
    const items = times(2 + below(random, 9), () => (level === 0 ? "x" : `*a${level - 1}`));
    return `a${level}: &a${level} [${items.join(", ")}]`;
  });
  return `${levels.join("\n")}\n`;
}

/** Deep without a bracket: each list holds the one before. */
function aliasChain(random: Random): string {
  const open = pick(random, ["[", "{ a: "]);
  const levels = times(pick(random, [50, 58, 59, 60, 61, 500, 10_000]), (level) => {
    const inner = level === 0 ? "x" : `*c${level - 1}`;
    return `- &c${level} ${open}${inner}${open === "[" ? "]" : " }"}`;
  });
  return `chain:\n${levels.join("\n")}\n`;
}

/** Each map merges the one before twice. */
function mergeBomb(random: Random): string {
  const levels = times(5 + below(random, 60), (level) =>
    level === 0 ? "m0: &m0 { a: 1 }" : `m${level}: &m${level} { <<: [*m${level - 1}, *m${level - 1}], b${level}: 1 }`,
  );
  return `${levels.join("\n")}\n`;
}

/** Merges of maps that are written out, without any alias. */
function mergeListBomb(random: Random): string {
  let map = "{ a: 1 }";
  for (let level = 0; level < 8 + below(random, 6); level++) map = `{ <<: [${map}, ${map}] }`;
  return `m: ${map}\n`;
}

/** Few aliases of something big. */
function wideAliases(random: Random): string {
  const big = times(size(random, 300, 50_000), (index) => `k${index}: 1`).join(", ");
  return `big: &big { ${big} }\nall: [${times(pick(random, [2, 99, 5000]), () => pick(random, ["*big", "{ <<: *big }"])).join(", ")}]\n`;
}

function aliasOfItself(random: Random): string {
  return pick(random, [
    "a: &a [*a]\n",
    "a: &a { b: *a }\n",
    "a: &a { <<: *a }\n",
    "&a : *a\n",
    "a: &a\n  - &a [*a]\n  - *a\n",
    "? &a a\n: *a\n",
  ]);
}
