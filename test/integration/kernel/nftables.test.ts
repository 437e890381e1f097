import { expect, test } from "vitest";
import { inNamespace } from "../../in-namespace.ts";

test("a transaction larger than a socket's default buffer is taken, and so is its replacement", async () => {
  expect(await inNamespace("large-ruleset.ts")).toEqual({ loaded: 500, updated: 498 });
});
