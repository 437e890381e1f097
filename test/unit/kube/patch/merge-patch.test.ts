import { setField } from "../../../../src/core/json-field.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isRecord } from "../../../../src/core/is-record.ts";
import { type JsonObject } from "../../../../src/kube/patch/json-value.ts";
import { applyMergePatch } from "../../../../src/kube/patch/merge-patch.ts";

/** Test cases of RFC 7386, appendix A, whose original and patch are objects. */
const EXAMPLES: readonly [JsonObject, JsonObject, JsonObject][] = [
  [{ a: "b" }, { a: "c" }, { a: "c" }],
  [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
  [{ a: "b" }, { a: null }, {}],
  [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }],
  [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
  [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
  [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

/** A merge patch that makes one object of another, which has no null. */
function difference(from: JsonObject, to: JsonObject): JsonObject {
  const patch: JsonObject = {};
  for (const name of Object.keys(from)) if (!Object.hasOwn(to, name)) setField(patch, name, null);
  for (const [name, value] of Object.entries(to)) {
    const before = Object.hasOwn(from, name) ? from[name] : undefined;
    setField(patch, name, isRecord(before) && isRecord(value) ? difference(before, value) : value);
  }
  return patch;
}

const { object } = fc.letrec<{ value: unknown; object: JsonObject }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.array(fc.string()),
    tie("object"),
  ),
  object: fc.dictionary(fc.constantFrom("a", "b", "c", "__proto__", "constructor"), tie("value"), {
    noNullPrototype: true,
  }),
}));

describe("applyMergePatch", () => {
  test.each(EXAMPLES)("RFC 7386: %j with %j is %j", (before, patch, after) => {
    expect(applyMergePatch(before, patch)).toEqual(after);
  });

  test("the difference of two objects makes one of the other", () => {
    fc.assert(
      fc.property(object, object, (from, to) => {
        const given = structuredClone(from);
        expect(applyMergePatch(from, difference(from, to))).toEqual(to);
        expect(from).toEqual(given);
      }),
    );
  });

  test("a patch that is no object is refused", () => {
    expect(() => applyMergePatch({}, ["a"])).toThrow(expect.objectContaining({ status: 400 }));
  });
});
