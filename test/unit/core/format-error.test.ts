import { expect, test } from "vitest";
import { formatProblem, formatProblems, sortProblems } from "../../../src/core/format-error.ts";
import { SourceText } from "../../../src/core/source-text.ts";

const source = new SourceText("labs/deny/lab.yaml", "cni:\r\n  kind: calcio\r\n");

test("a problem shows place, code, message, line, caret and hint", () => {
  const problem = {
    code: "LAB_UNKNOWN_CNI",
    message: `unknown CNI "calcio"`,
    hint: "did you mean calico?",
    span: source.span(14, 20),
  };
  expect(formatProblem(problem)).toBe(`labs/deny/lab.yaml:2:9  LAB_UNKNOWN_CNI  unknown CNI "calcio"
  2 |   kind: calcio
    |         ^^^^^^
  hint: did you mean calico?`);
});

test("a problem without a place is its code and message", () => {
  expect(formatProblem({ code: "X", message: "wrong" })).toBe("X  wrong");
});

test("control characters are visible and the caret stays under what it marks", () => {
  const hostile = new SourceText("a\u001b[2J.yaml", "\u001b[31mname: x\n");
  const text = formatProblem({ code: "X", message: "bad \u0007\nfake:1:1  Y  z", span: hostile.span(5, 9) });
  expect(text).toBe("a\\x1b[2J.yaml:1:6  X  bad \\x07\n  fake:1:1  Y  z\n  1 | \\x1b[31mname: x\n    |         ^^^^");
});

test("a long line is cut around the caret", () => {
  const long = new SourceText("f", `${"a".repeat(100_000)}b${"c".repeat(100_000)}`);
  const [, line, caret] = formatProblem({ code: "X", message: "m", span: long.span(100_000, 100_001) }).split("\n") as [
    string,
    string,
    string,
  ];
  expect(line.length).toBeLessThan(140);
  expect(line.charAt(caret.indexOf("^"))).toBe("b");
});

test("a span that ends on a later line is cut at its own", () => {
  expect(new SourceText("f", "one\ntwo").span(1, 7)).toMatchObject({ line: 1, column: 2, length: 2, lineText: "one" });
});

test("problems are sorted by file in order of mention, line and column", () => {
  const [a, b] = [new SourceText("b.yaml", "x\ny\n"), new SourceText("a.yaml", "x y\n")];
  const problems = [a.span(2, 3), b.span(2, 3), a.span(0, 1), b.span(0, 1)].map((span, index) => ({
    code: String(index),
    message: "",
    span,
  }));
  expect(sortProblems([...problems, { code: "none", message: "" }]).map(({ code }) => code)).toEqual([
    "none",
    "2",
    "0",
    "3",
    "1",
  ]);
  expect(
    formatProblems([
      { code: "A", message: "a" },
      { code: "B", message: "b" },
    ]),
  ).toBe("A  a\n\nB  b");
});
