import fc from "fast-check";
import { expect, test } from "vitest";
import { makeVisible, makeVisibleLine } from "../../../src/core/visible-text.ts";

test("control characters are shown, not sent", () => {
  expect(makeVisible("\u001b[31mred\u0007\u009b\u202e")).toBe("\\x1b[31mred\\x07\\x9b\\u202e");
});

test("text that people write stays as it is", () => {
  expect(makeVisible("grüße, 日本語, 🙂\nsecond")).toBe("grüße, 日本語, 🙂\nsecond");
});

test("line ends and tabs become plain", () => {
  expect(makeVisible("a\r\nb\tc\rd")).toBe("a\nb  c\\x0dd");
  expect(makeVisibleLine("a\nb")).toBe("a\\nb");
});

test("whatever comes in, nothing that moves the cursor goes out", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      // eslint-disable-next-line no-control-regex
      expect(makeVisible(text)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
    }),
  );
});
