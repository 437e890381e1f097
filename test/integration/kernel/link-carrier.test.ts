import { expect, test } from "vitest";
import { inNamespace } from "../../in-namespace.ts";

test("a link carries packets as soon as it has been waited for, and one whose other end is down is told", async () => {
  expect(await inNamespace("link-carrier.ts")).toEqual({
    refusal: "LINK_WITHOUT_CARRIER: link v0 has no carrier after 5 s",
    refused: 20,
    of: 20,
  });
}, 60_000);
