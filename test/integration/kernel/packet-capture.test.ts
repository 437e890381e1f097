import { expect, test } from "vitest";
import { inNamespace } from "../../in-namespace.ts";

test("a capture shows all that was sent before it was stopped, bursts too; a filter that is none is refused", async () => {
  expect(await inNamespace("captures.ts")).toEqual({
    shown: [200, 200, 200],
    refused: expect.stringContaining("can't parse filter expression") as string,
  });
});
