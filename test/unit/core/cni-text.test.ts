import { expect, test } from "vitest";
import { cniText } from "../../../src/core/cni-text.ts";

test.each([
  [undefined, "weave:sleeve"],
  [{}, "weave:sleeve"],
  [{ encrypted: true, a: "text" }, "weave:sleeve encrypted=true a=text"],
])("with options %j a CNI is called %s", (options, text) => {
  expect(cniText("weave", "sleeve", options)).toBe(text);
});
