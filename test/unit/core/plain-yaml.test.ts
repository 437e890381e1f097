import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments, stringify } from "yaml";
import { readPlainYaml } from "../../../src/core/plain-yaml.ts";
import { parseYaml } from "../../../src/core/yaml-source.ts";

const labs = fileURLToPath(new URL("../../../labs", import.meta.url));
const options = { merge: true, uniqueKeys: true, logLevel: "silent" } as const;

/** What a parser gives, or undefined where it finds something wrong. */
function parsed(text: string): unknown {
  const [document] = parseAllDocuments(text, options) as { errors: unknown[]; toJS(): unknown }[];
  return document === undefined || document.errors.length > 0 ? undefined : document.toJS();
}

/** Pieces from which texts are put together that are nearly, or quite, manifests. */
const piece = fc.constantFrom(
  "a",
  "b",
  "key",
  "a:",
  "b: ",
  "- ",
  "-",
  "  ",
  "    ",
  "\n",
  "\n  ",
  "\n- ",
  "\n    ",
  "{",
  "}",
  "[",
  "]",
  ", ",
  ": ",
  ":",
  '"',
  "'",
  "1",
  "01",
  "1.5",
  "-1",
  "+1",
  ".5",
  "0x1f",
  "1e3",
  "10.0.0.1",
  "10.0.0.0/8",
  "true",
  "No",
  "null",
  "~",
  "#",
  " # c",
  "web",
  "app: web",
  "x: y",
  "- a: 1",
  "- - a",
  "{ a: 1 }",
  "[ a, b ]",
  "[]",
  "{}",
  "_",
  "/",
  "=",
  "---",
  "...",
  "a: b: c",
  "a:b",
  ",",
);

describe("what is read without a parser", () => {
  it("is what a parser reads", () => {
    let read = 0;
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
        const text = pieces.join("");
        if (/^(?:---|\.\.\.)/m.test(text)) return;
        const plain = readPlainYaml(text, 60);
        if (plain === undefined) return;
        read++;
        expect({ text, value: plain.value }).toEqual({ text, value: parsed(text) });
      }),
      { numRuns: 20_000 },
    );
    expect(read).toBeGreaterThan(200);
  });

  it("is any object that was written as YAML, or left to a parser", () => {
    const scalar = fc.oneof(
      fc.string({ maxLength: 6 }),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.double(),
      fc.ipV4(),
    );
    const object = fc.dictionary(
      fc.stringMatching(/^[a-zA-Z./_-]{1,5}$/),
      fc.letrec((tie) => ({
        node: fc.oneof(
          { depthSize: "small" },
          scalar,
          fc.array(tie("node"), { maxLength: 3 }),
          fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), tie("node"), { maxKeys: 3 }),
        ),
      })).node,
      { maxKeys: 4, minKeys: 1 },
    );
    fc.assert(
      fc.property(
        object,
        fc.constantFrom({}, { collectionStyle: "flow" as const }, { indentSeq: false }),
        (value, style) => {
          const text = stringify(value, { ...style, lineWidth: 0 });
          const plain = readPlainYaml(text, 60);
          if (plain !== undefined) expect(plain.value).toEqual(parse(text, options));
        },
      ),
      { numRuns: 800 },
    );
  });

  it("is what the labs' files are made of", () => {
    const files = readdirSync(labs, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".yaml"));
    let plainDocuments = 0;
    for (const name of files) {
      const text = readFileSync(join(labs, name), "utf8");
      const { documents } = parseYaml(text, name);
      const trees = parseAllDocuments(text, options) as { toJS(): unknown }[];
      expect(documents.map(({ value }) => value)).toEqual(trees.map((tree) => tree.toJS()));
      for (const part of text.split(/^---$/m)) if (readPlainYaml(part, 60) !== undefined) plainDocuments++;
    }
    expect(plainDocuments).toBeGreaterThan(20);
  });

  it.each([
    "a: &x 1",
    "a: |\n  b",
    "a: b\n  c",
    "a: 1 # c",
    "a: 1\na: 2",
    "a:\n\t- b",
    "? a",
    "a: !!str b",
    "- a\nb: 1",
    "text",
    "true: 1",
  ])("is not %j", (text) => expect(readPlainYaml(text, 60)).toBeUndefined());

  it("is no deeper than allowed", () => {
    expect(readPlainYaml("a:\n b:\n  c: 1", 3)).toBeDefined();
    expect(readPlainYaml("a:\n b:\n  c: 1", 2)).toBeUndefined();
    expect(readPlainYaml("a: [[[1]]]", 3)).toBeUndefined();
  });
});

it("keeps the places of every document of a file", () => {
  const text = "# first\n---\na: 1\n---\n# comment\nkind: X\nmetadata:\n  name: n # behind\n---\nitems:\n- b: {c: d}\n";
  const { documents, problems } = parseYaml(text, "f.yaml");
  expect(problems).toEqual([]);
  expect(documents.map(({ value }) => value)).toEqual([
    { a: 1 },
    { kind: "X", metadata: { name: "n" } },
    { items: [{ b: { c: "d" } }] },
  ]);
  expect(documents.map(({ line }) => line)).toEqual([3, 6, 10]);
  expect(documents[0]?.span(["a"])).toMatchObject({ line: 3, column: 4, length: 1 });
  expect(documents[1]?.span(["metadata", "name"])).toMatchObject({ line: 8, column: 9, length: 1 });
  expect(documents[2]?.span(["items", 0, "b", "c"])).toMatchObject({ line: 11, column: 10, lineText: "- b: {c: d}" });
  expect(documents[2]?.keySpan(["items"])).toMatchObject({ line: 10, column: 1, length: 5 });
});

it("reads as many documents as a parser", () => {
  const part = fc.constantFrom("", "\n", "a: 1\n", "# c\n", "---\n", "b:\n  - c\n", "--- \n", "...\n", "x: |\n  y\n");
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const text = parts.join("");
      const trees = parseAllDocuments(text, options);
      if (!Array.isArray(trees) || trees.some(({ errors }) => errors.length > 0)) return;
      const wanted = trees.map((tree): unknown => tree.toJS());
      const { documents, problems } = parseYaml(text, "f.yaml");
      expect({ text, problems, values: documents.map(({ value }) => value) }).toEqual({
        text,
        problems: [],
        values: "empty" in trees ? [null] : wanted,
      });
    }),
    { numRuns: 800 },
  );
});
