import { describe, expect, test } from "vitest";
import { applyJsonPatch } from "../../../../src/kube/patch/json-patch.ts";
import { PatchError } from "../../../../src/kube/patch/patch-error.ts";

/** The examples of RFC 6902, appendix A, with an object as the document. */
const EXAMPLES: readonly [string, Record<string, unknown>, unknown[], Record<string, unknown>][] = [
  ["A.1 add a member", { foo: "bar" }, [{ op: "add", path: "/baz", value: "qux" }], { baz: "qux", foo: "bar" }],
  [
    "A.2 add an item",
    { foo: ["bar", "baz"] },
    [{ op: "add", path: "/foo/1", value: "qux" }],
    { foo: ["bar", "qux", "baz"] },
  ],
  ["A.3 remove a member", { baz: "qux", foo: "bar" }, [{ op: "remove", path: "/baz" }], { foo: "bar" }],
  ["A.4 remove an item", { foo: ["bar", "qux", "baz"] }, [{ op: "remove", path: "/foo/1" }], { foo: ["bar", "baz"] }],
  ["A.5 replace", { baz: "qux" }, [{ op: "replace", path: "/baz", value: "boo" }], { baz: "boo" }],
  [
    "A.6 move a value",
    { foo: { bar: "baz", waldo: "fred" }, qux: {} },
    [{ op: "move", from: "/foo/waldo", path: "/qux/thud" }],
    { foo: { bar: "baz" }, qux: { thud: "fred" } },
  ],
  [
    "A.7 move an item",
    { foo: ["all", "grass", "cows", "eat"] },
    [{ op: "move", from: "/foo/1", path: "/foo/3" }],
    { foo: ["all", "cows", "eat", "grass"] },
  ],
  [
    "A.8 test",
    { baz: "qux", foo: ["a", 2, "c"] },
    [
      { op: "test", path: "/baz", value: "qux" },
      { op: "test", path: "/foo/1", value: 2 },
    ],
    { baz: "qux", foo: ["a", 2, "c"] },
  ],
  [
    "A.10 add an object",
    { foo: "bar" },
    [{ op: "add", path: "/child", value: { grandchild: {} } }],
    { foo: "bar", child: { grandchild: {} } },
  ],
  [
    "A.11 an unknown member counts for nothing",
    { foo: "bar" },
    [{ op: "add", path: "/baz", value: "qux", xyz: 123 }],
    { foo: "bar", baz: "qux" },
  ],
  ["A.14 escapes", { "/": 9, "~1": 10 }, [{ op: "test", path: "/~01", value: 10 }], { "/": 9, "~1": 10 }],
  [
    "A.16 add a list at the end",
    { foo: ["bar"] },
    [{ op: "add", path: "/foo/-", value: ["abc", "def"] }],
    { foo: ["bar", ["abc", "def"]] },
  ],
  ["the whole document", { foo: 1 }, [{ op: "replace", path: "", value: { bar: 2 } }], { bar: 2 }],
  [
    "an index from the end, as the API server has it",
    { foo: [1, 2, 3] },
    [{ op: "remove", path: "/foo/-1" }],
    { foo: [1, 2] },
  ],
  [
    "__proto__ is a name like others",
    {},
    [{ op: "add", path: "/__proto__", value: 1 }],
    JSON.parse('{"__proto__":1}') as Record<string, unknown>,
  ],
];

const REFUSED: readonly [string, unknown, number, string][] = [
  ["A.9 a test that fails", [{ op: "test", path: "/baz", value: "bar" }], 422, "/baz"],
  ["A.12 add below what is not there", [{ op: "add", path: "/none/bat", value: "qux" }], 422, "/none/bat"],
  ["A.15 a number is no text", [{ op: "test", path: "/n", value: "10" }], 422, "/n"],
  ["remove what is not there", [{ op: "remove", path: "/none" }], 422, "/none"],
  ["replace what is not there", [{ op: "replace", path: "/none", value: 1 }], 422, "/none"],
  ["an index past the end", [{ op: "add", path: "/list/3", value: 1 }], 422, "/list/3"],
  ["an index with a zero before it", [{ op: "add", path: "/list/01", value: 1 }], 422, "/list/01"],
  ["the end is no item", [{ op: "replace", path: "/list/-", value: 1 }], 422, "/list/-"],
  ["a list's length is no item", [{ op: "remove", path: "/list/length" }], 422, "/list/length"],
  ["below a text", [{ op: "add", path: "/baz/x", value: 1 }], 422, "/baz/x"],
  ["move into itself", [{ op: "move", from: "/map", path: "/map/in" }], 422, "/map/in"],
  ["copy from nowhere", [{ op: "copy", from: "/none", path: "/map/in" }], 422, "/none"],
  ["inherited members are none", [{ op: "remove", path: "/map/constructor" }], 422, "/map/constructor"],
  ["an operation of no known sort", [{ op: "spam", path: "/baz" }], 422, ""],
  ["a path that is no pointer", [{ op: "remove", path: "baz" }], 422, "baz"],
  ["no value", [{ op: "add", path: "/x" }], 422, "/x"],
  ["what is no list", { op: "remove", path: "/baz" }, 400, ""],
  ["too many operations", Array.from({ length: 10_001 }, () => ({ op: "test", path: "/n", value: 10 })), 413, ""],
  ["an operation that is no object", ["remove"], 400, ""],
  ["nothing left of the object", [{ op: "remove", path: "" }], 422, ""],
];

describe("applyJsonPatch", () => {
  test.each(EXAMPLES)("%s", (_name, before, operations, after) => {
    const given = structuredClone(before);
    expect(applyJsonPatch(before, operations)).toEqual(after);
    expect(before).toEqual(given);
  });

  test.each(REFUSED)("refuses: %s", (_name, operations, status, path) => {
    const object = { baz: "qux", n: 10, list: [1, 2], map: {} };
    const refused = (): unknown => applyJsonPatch(object, operations);
    expect(refused).toThrow(PatchError);
    expect(refused).toThrow(expect.objectContaining({ status, path }));
    expect(object).toEqual({ baz: "qux", n: 10, list: [1, 2], map: {} });
  });
});
