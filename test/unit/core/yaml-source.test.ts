import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { YamlDocument } from "../../../src/core/yaml-document.ts";
import { parseYaml } from "../../../src/core/yaml-source.ts";

function parseOne(text: string): YamlDocument {
  const { documents, problems } = parseYaml(text, "f.yaml");
  expect(problems).toEqual([]);
  return documents[0] as YamlDocument;
}

function codes(text: string | Uint8Array): string[] {
  return parseYaml(text, "f.yaml").problems.map(
    ({ code, span }) => `${code} ${span?.line ?? "-"}:${span?.column ?? "-"}`,
  );
}

describe("positions", () => {
  const document = parseOne("# lab\nmetadata:\n  name: shop\nlist:\n  - { a: 1 }\n  -\nempty:\n");
  const at = ({ line, column, length }: { line: number; column: number; length: number }): string =>
    `${line}:${column}+${length}`;

  test("a value, its key, an item", () => {
    expect(at(document.span(["metadata", "name"]))).toBe("3:9+4");
    expect(at(document.keySpan(["metadata", "name"]))).toBe("3:3+4");
    expect(at(document.span(["list", 0, "a"]))).toBe("5:10+1");
    expect(at(document.keySpan(["list", 0]))).toBe("5:5+8");
  });

  test("what is missing is shown at the nearest ancestor's key", () => {
    expect(at(document.span(["metadata", "title"]))).toBe("2:1+8");
    expect(at(document.parentSpan(["list", 0, "b"]))).toBe("5:7+1");
    expect(at(document.span(["no", "such", "path"]))).toBe("2:1+8");
  });

  test("an empty value is shown at its key", () => {
    expect(at(document.span(["empty"]))).toBe("7:1+5");
  });

  test("aliases and merge keys lead to where the value is written", () => {
    const merged = parseOne("base: &base { port: 80 }\nother: { <<: *base, name: x }\nagain: *base\n");
    expect(merged.value).toEqual({ base: { port: 80 }, other: { port: 80, name: "x" }, again: { port: 80 } });
    expect(at(merged.span(["other", "port"]))).toBe("1:21+2");
    expect(at(merged.span(["again", "port"]))).toBe("1:21+2");
  });

  test("a byte-order mark and CRLF shift nothing", () => {
    const windows = parseOne("\ufeffname: shop\r\ntitle: x\r\n");
    expect(windows.value).toEqual({ name: "shop", title: "x" });
    expect(windows.span(["name"])).toMatchObject({ line: 1, column: 7, lineText: "name: shop" });
  });

  test("several documents have their own places", () => {
    const { documents } = parseYaml("a: 1\n---\nb: 2\n", "f.yaml");
    expect(documents.map(({ value }) => value)).toEqual([{ a: 1 }, { b: 2 }]);
    expect(documents[1]?.span(["b"]).line).toBe(3);
  });

  test("scalars are found below a path", () => {
    expect(document.findScalars(["metadata"], (text) => text === "shop")).toEqual([["metadata", "name"]]);
    expect(document.findScalars([], (text) => text === "1")).toEqual([["list", 0, "a"]]);
  });
});

describe("what is refused", () => {
  test.each([
    ["a: 1\n\tb: 2\n", ["YAML_TAB 2:1"]],
    ["a: 1\na: 2\nb: {c: 1, c: 2}\n", ["YAML_DUPLICATE_KEY 2:1", "YAML_DUPLICATE_KEY 3:11"]],
    ["a: !!set {x}\n", ["YAML_TAG 1:10"]],
    ["a: !mine x\n", ["YAML_TAG 1:4"]],
    ["a: *x\n", ["YAML_ALIAS 1:4"]],
    ["a: &a [*a]\n", ["YAML_ALIAS 1:8"]],
    ["? [a]\n: 1\n", ["YAML_KEY 1:3"]],
    ["a: \u0000\n", ["YAML_CONTROL_CHARACTER 1:4"]],
    ["a: 'x\nb: 1\n", ["YAML_SYNTAX 1:4"]],
    ["a: [1, {b: 2\n", ["YAML_SYNTAX 1:8"]],
  ])("%j", (text, expected) => {
    expect(codes(text)).toEqual(expected);
  });

  test("text that is not UTF-8", () => {
    expect(codes(Uint8Array.of(0x61, 0x3a, 0xff))).toEqual(["YAML_ENCODING 1:3"]);
    const bytes = (text: string, ...rest: number[]): Buffer => Buffer.concat([Buffer.from(text), Buffer.from(rest)]);
    expect(codes(bytes("a: 1\nb: é𝄞", 0xc3))).toEqual(["YAML_ENCODING 2:7"]);
    expect(codes(bytes("a: é", 0xe2, 0x82, 0x0a, 0x62))).toEqual(["YAML_ENCODING 1:5"]);
    expect(codes(bytes("\ufeffa: 1\n", 0xed, 0xa0, 0x80, 0x0a))).toEqual(["YAML_ENCODING 2:1"]);
    expect(codes(Buffer.from("a: 1\n", "utf16le").swap16())).toEqual(["YAML_CONTROL_CHARACTER 1:1"]);
    expect(codes(Buffer.concat([Buffer.of(0xff, 0xfe), Buffer.from("a: 1\n", "utf16le")]))).toEqual([
      "YAML_ENCODING 1:1",
    ]);
  });

  test("a file over the limit, without parsing it", () => {
    expect(codes(Buffer.alloc(2 * 1024 * 1024, "a"))).toEqual(["YAML_TOO_LARGE -:-"]);
  });

  test.each(["[", "{a: ", "- ", "? "])("nesting by %j, quickly", (opening) => {
    const started = performance.now();
    expect(codes(opening.repeat(100_000))[0]).toMatch(/^YAML_TOO_DEEP 1:/);
    expect(performance.now() - started).toBeLessThan(2000);
  });

  test("an alias bomb", () => {
    const bomb = [
      "a: &a [x, x, x, x]",
      ...[..."bcdefghijkl"].map(
        (name, index) => `${name}: &${name} [*${"abcdefghijk".charAt(index)}, *${"abcdefghijk".charAt(index)}]`,
      ),
    ].join("\n");
    expect(codes(bomb)[0]).toMatch(/^YAML_TOO_MANY_ALIASES/);
  });

  test("few aliases of something big, before they are written out", () => {
    const big = `big: &big {${Array.from({ length: 1000 }, (_, index) => ` k${index}: 1`).join()} }\n`;
    const bomb = `${big}all:\n${"  - <<: *big\n".repeat(90)}`;
    // Each repeats 2001 values: keys, values and the map itself.
    expect(codes(bomb)).toEqual(["YAML_TOO_MANY_ALIASES 12:9"]);
    expect(codes(`${big}all:\n${"  - <<: *big\n".repeat(9)}`)).toEqual([]);
  });

  test("depth by aliases alone, which no bracket shows", () => {
    const chain = (links: number): string =>
      `- &c0 [x]\n${Array.from({ length: links }, (_, index) => `- &c${index + 1} ${"[".repeat(10)}*c${index}${"]".repeat(10)}\n`).join("")}`;
    expect(codes(chain(5))).toEqual([]);
    expect(codes(chain(6))).toEqual(["YAML_TOO_DEEP 7:17"]);
    expect(codes(chain(10_000))).toEqual(["YAML_TOO_DEEP 7:17"]);
  });

  test("many keys on one long line, in time that grows with the line", () => {
    const keys = Array.from({ length: 40_000 }, (_, index) => ` "key-${index}-\\x20": 1`).join();
    const started = process.cpuUsage();
    expect(codes(`a: {${keys}, "key-0-\\x20": 2 }`)[0]).toMatch(/^YAML_DUPLICATE_KEY 1:/);
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1000).toBeLessThan(4000);
  });

  test("words of a file are shortened in messages about them", () => {
    const word = "x".repeat(100_000);
    const [problem] = parseYaml(`a: *${word}\n`, "f.yaml").problems;
    expect(problem?.message).toMatch(/^alias \*x{590,} … x+ names no anchor$/);
    expect(problem?.message.length).toBeLessThan(1000);
  });

  test("one mistake repeated is reported a bounded number of times", () => {
    expect(codes("a: 1\n".repeat(10_000)).length).toBe(50);
  });
});

test("no text makes the reader throw, and every span is inside the text", () => {
  const yamlish = fc.array(
    fc.constantFrom(
      "a",
      ":",
      " ",
      "\n",
      "- ",
      "[",
      "]",
      "{",
      "}",
      '"',
      "'",
      "&x ",
      "*x",
      "!!t ",
      "|",
      ">",
      "#",
      "?",
      "\t",
      "---\n",
      "<<",
      ",",
    ),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(yamlish, (parts) => {
      const text = parts.join("");
      const { documents, problems } = parseYaml(text, "f");
      const spans = [...problems.flatMap(({ span }) => span ?? []), ...documents.map((document) => document.span([]))];
      for (const { line, column, length, lineText } of spans) {
        expect(text.split("\n")[line - 1]?.replace(/\r$/, "")).toBe(lineText);
        expect(length).toBeGreaterThan(0);
        expect(column).toBeGreaterThan(0);
      }
    }),
    { numRuns: 2000 },
  );
});
